"""`make test-kvm`: a lab on KVM, inside an emulated machine that has it. Run by hand; see docs."""
