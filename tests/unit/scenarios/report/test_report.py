"""A record becomes files that say what it says, whatever it holds."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest
from junitparser import JUnitXml
from markdown_it import MarkdownIt
from markdown_it.token import Token

from provision.support.errors import UserError
from provision.support.text import readable
from scenarios.record.model import Fault, Ping, Record, Step
from scenarios.record.store import load, schema
from scenarios.report import charts, findings, text, topology
from scenarios.report.book import mark
from scenarios.report.compare import write_comparison
from scenarios.report.write import write_reports
from tests.unit import sample_record as samples

ROOT = Path(__file__).parents[4]
FILES = ("report.json", "report.md", "report.html", "junit.xml")
RECORDS = {
    "passed": samples.sample(),
    "underlay blocked": samples.underlay_blocked(),
    "no IPVS": samples.no_ipvs(),
    "image missing": samples.image_missing(),
    "skipped": samples.cannot_run(),
    "hostile": samples.hostile(),
    "ten hosts": samples.many_hosts(10),
    "weave": samples.weave(),
    "node failure": samples.node_failure(),
}
VOID = {"meta", "link", "img", "br", "hr", "input", "circle", "path", "rect", "line", "polyline"}
every_record = pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS.keys())


class _Page(HTMLParser):
    """Tags, attributes and text; `unclosed` and `strays` name what does not nest."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.strays: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.strays.append(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def attributes(self, name: str) -> list[str]:
        return [value for _, attrs in self.tags if (value := attrs.get(name)) is not None]


def page_of(record: Record, folder: Path) -> _Page:
    return _Page((write_reports(record, folder) / "report.html").read_text())


def markdown_of(record: Record, folder: Path) -> list[Token]:
    parser = MarkdownIt("commonmark", {"html": True}).enable("table")
    return parser.parse((write_reports(record, folder) / "report.md").read_text())


# What is written


@every_record
def test_one_call_writes_all_four_files_and_nothing_else(record: Record, tmp_path: Path) -> None:
    assert write_reports(record, tmp_path / "new" / "run") == tmp_path / "new" / "run"
    assert sorted(path.name for path in (tmp_path / "new" / "run").iterdir()) == sorted(FILES)


@every_record
def test_the_same_record_gives_the_same_bytes(record: Record, tmp_path: Path) -> None:
    one = write_reports(record, tmp_path / "one")
    other = write_reports(record.model_copy(deep=True), tmp_path / "other")
    for name in FILES:
        assert (one / name).read_bytes() == (other / name).read_bytes()


def test_the_raw_files_beside_a_report_are_left_alone(tmp_path: Path) -> None:
    pcap = tmp_path / "raw" / "evidence.pcap"
    pcap.parent.mkdir()
    pcap.write_bytes(b"\xd4\xc3\xb2\xa1")
    write_reports(samples.sample(), tmp_path)
    assert pcap.read_bytes() == b"\xd4\xc3\xb2\xa1"


# report.json


@every_record
def test_a_report_is_read_back_as_the_record_it_was(record: Record, tmp_path: Path) -> None:
    assert load(write_reports(record, tmp_path)) == record


@every_record
def test_report_json_keeps_to_the_published_schema(record: Record, tmp_path: Path) -> None:
    data = json.loads((write_reports(record, tmp_path) / "report.json").read_text())
    jsonschema.Draft202012Validator(schema()).validate(data)


def test_the_schema_refuses_what_is_no_report() -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema()).validate({"scenario": "overlay"})


def test_the_published_schema_is_the_one_that_the_code_gives() -> None:
    published = json.loads((ROOT / "docs" / "report.schema.json").read_text())
    assert published == schema(), "run scenarios.report.write_schema on docs/report.schema.json"


def test_a_folder_without_a_report_is_the_users_to_mend(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no report here"):
        load(tmp_path)


@pytest.mark.parametrize("version", ["1.6", "2.0", "10.0"])
def test_a_report_of_a_newer_schema_is_refused_by_its_version(tmp_path: Path, version: str) -> None:
    data = samples.sample().model_dump(mode="json") | {"schema_version": version, "novel": 1}
    (tmp_path / "report.json").write_text(json.dumps(data))
    with pytest.raises(UserError, match=f"schema {version}; this Swarmrig reads 1.5"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"scenario": ', "not a report"),
        (b"\xff\xfe", "not a report"),
        (b"[]", "not a report of schema 1.5: the whole file"),
        (b'{"schema_version": "1.0"}', "not a report of schema 1.5: scenario: Field required"),
    ],
)
def test_a_broken_report_says_what_is_wrong_and_where(
    tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "report.json").write_bytes(content)
    with pytest.raises(UserError, match=re.escape(message)) as caught:
        load(tmp_path)
    assert str(tmp_path / "report.json") in str(caught.value)


# report.html


@every_record
def test_the_page_nests_and_its_ids_are_unique(record: Record, tmp_path: Path) -> None:
    page = page_of(record, tmp_path)
    assert page.strays == []
    assert page.open == []
    ids = page.attributes("id")
    assert len(ids) == len(set(ids))
    assert {href[1:] for href in page.attributes("href") if href.startswith("#")} <= set(ids)


@every_record
def test_the_page_needs_no_other_file_and_no_script(record: Record, tmp_path: Path) -> None:
    page = page_of(record, tmp_path)
    assert {tag for tag, _ in page.tags} & {"script", "link", "img", "iframe", "object"} == set()
    assert page.attributes("src") == []
    source = (tmp_path / "report.html").read_text()
    assert "url(" not in source
    assert "@import" not in source
    for href in page.attributes("href"):
        assert href.startswith("#") or not re.match(r"[a-z]+:|/|\.\.", href, re.IGNORECASE)


def test_no_text_of_a_record_becomes_markup(tmp_path: Path) -> None:
    page = page_of(samples.hostile(), tmp_path)
    assert "<script>alert(1)</script>" in page.text
    assert not any(name.startswith("on") for _, attrs in page.tags for name in attrs)
    assert not re.search("[\x00-\x08\x0b-\x1f]", (tmp_path / "report.html").read_text())


def test_a_file_that_leads_out_of_the_report_is_named_and_not_linked(tmp_path: Path) -> None:
    page = page_of(samples.hostile(), tmp_path)
    assert "../../etc/passwd" in page.text
    assert not any("passwd" in href for href in page.attributes("href"))


def test_the_verdict_and_its_count_come_before_everything_else(tmp_path: Path) -> None:
    words = page_of(samples.sample(), tmp_path).text
    assert 0 < words.index("All 38 expectations passed, in 19 steps.") < words.index("Provider")


def test_the_first_failure_is_told_at_the_top_with_expected_and_seen(tmp_path: Path) -> None:
    words = page_of(samples.underlay_blocked(), tmp_path).text
    told = words[words.index("What failed first") : words.index("Provider")]
    assert "Ping the address of alpine-overlay1's task from machine2" in told
    assert "Expected 3 Seen 0" in told


def test_what_a_learner_has_typed_is_shown_without_what_is_not_known(tmp_path: Path) -> None:
    record = samples.sample()
    run = record.steps[4].commands[0]
    run.typed, run.exit_code, run.stdout, run.stderr, run.seconds = True, None, "", "", 0
    run.command += " --attachable"
    words = page_of(record, tmp_path).text
    told = words[words.index(f"Typed on {run.machine}") :].partition("What had to be seen")[0]
    assert "--attachable" in told
    assert not any(word in told for word in ("stopped by a limit", "It printed nothing", "0 s"))
    shown = (tmp_path / "report.md").read_text()
    assert f"Typed on {run.machine}:" in shown
    assert "stopped by a limit" not in shown


def test_a_step_that_broke_or_was_skipped_says_why(tmp_path: Path) -> None:
    words = page_of(samples.image_missing(), tmp_path).text
    assert words.count("step 7 did not leave a running task") == 10
    assert "10 steps of 19 skipped" in words
    assert "No such image: alpine:latest" in words


def test_what_was_skipped_is_counted_with_its_reason_and_shows_nothing(tmp_path: Path) -> None:
    folder = write_reports(samples.no_ipvs(), tmp_path)
    words = _Page((folder / "report.html").read_text()).text
    why = "1 expectation skipped: the kernel of machine2 has no IPVS"
    told = f"36 expectations passed, in 19 steps; {why}; 1 expectation skipped: the kernel of"
    assert f"{told} machine1 has no IPVS." in words
    assert "What failed first" not in words
    assert "All 36" not in words
    text = (folder / "report.md").read_text()
    assert f"**36 expectations passed**, none failed. {why}." in text
    assert "\N{EN DASH} skipped" in text
    title = kind(samples.sample(), "virtual address").title
    assert title not in words
    assert title not in text
    write_comparison([samples.no_ipvs(), samples.sample()], tmp_path)
    for name in ("comparison.html", "comparison.md"):
        assert "1 skipped: the kernel of machine1 has no IPVS" in (tmp_path / name).read_text()


def test_what_a_failed_expectation_would_prove_is_not_told_as_proven(tmp_path: Path) -> None:
    folder = write_reports(samples.underlay_blocked(), tmp_path)
    words = _Page((folder / "report.html").read_text()).text
    assert words.count("Would have shown: The task on the other host answered.") == 2
    assert "Shows: The task on the other host answered." not in words
    assert "(shows: The task on the other host" not in (folder / "report.md").read_text()


def test_captures_and_inspect_documents_are_linked_relatively(tmp_path: Path) -> None:
    links = page_of(samples.sample(), tmp_path).attributes("href")
    assert "raw/evidence-machine1-machine2-eth1.pcap" in links
    assert "raw/05-overlaynet1.json" in links


def test_both_pictures_have_a_text_for_who_does_not_see_them(tmp_path: Path) -> None:
    page = page_of(samples.sample(), tmp_path)
    pictures = [attrs for tag, attrs in page.tags if tag == "svg" and attrs.get("role") == "img"]
    assert len(pictures) == 3  # the topology for wide and narrow screens, and the chart
    ids = set(page.attributes("id"))
    assert all(set((attrs["aria-labelledby"] or "").split()) <= ids for attrs in pictures)
    assert "machine2 (worker) at 192.168.56.12 on the underlay" in page.text
    assert "machine2 → 172.45.0.3: 3 of 3 replies, median 1.42 ms" in page.text


def test_a_run_that_broke_before_anything_was_there_still_has_a_report(tmp_path: Path) -> None:
    record = samples.sample()
    record.steps, record.verdict = [], "interrupted"
    record.topology.tasks, record.topology.networks, record.topology.hosts = [], [], []
    words = page_of(record, tmp_path).text
    assert "Interrupted" in words
    assert "Round-trip times" not in words


# report.md


@every_record
def test_markdown_holds_no_html_and_only_the_headings_it_means(
    record: Record, tmp_path: Path
) -> None:
    tokens = markdown_of(record, tmp_path)
    inline = [child for token in tokens for child in token.children or []]
    assert [token for token in [*tokens, *inline] if token.type.startswith("html")] == []
    steps = sum(token.type == "heading_open" and token.tag == "h3" for token in tokens)
    assert steps == len(record.steps) + len(record.timelines)
    assert sum(token.type == "heading_open" and token.tag == "h1" for token in tokens) == 1
    assert all(
        "javascript:" not in str(token.attrs.get("href", "")) for token in inline if token.attrs
    )


@every_record
def test_every_output_is_in_a_fence_of_its_own(record: Record, tmp_path: Path) -> None:
    fences = {
        token.content.rstrip("\n")
        for token in markdown_of(record, tmp_path)
        if token.type == "fence"
    }
    for step in record.steps:
        for run in step.commands:
            assert readable(run.command).rstrip("\n") in fences
            assert not run.stdout or readable(run.stdout).rstrip("\n") in fences


@every_record
def test_every_row_of_a_table_has_as_many_cells_as_its_head(record: Record, tmp_path: Path) -> None:
    tables = [token for token in markdown_of(record, tmp_path) if token.type == "table_open"]
    lines = (tmp_path / "report.md").read_text().split("\n")
    assert len(tables) >= sum(bool(step.expectations) for step in record.steps)
    for table in tables:
        assert table.map is not None
        # Parsers fill short rows up and cut long ones, so the bars themselves are counted.
        bars = [len(re.findall(r"(?<!\\)\|", line)) for line in lines[slice(*table.map)]]
        assert len(set(bars)) == 1


def test_a_hostile_value_stays_in_its_cell(tmp_path: Path) -> None:
    tokens = markdown_of(samples.hostile(), tmp_path)
    cells = [following.content for token, following in pairwise(tokens) if token.type == "td_open"]
    shown = [MarkdownIt().renderInline(cell) for cell in cells]
    whole = "&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;| `a` ```` **b** [x](javascript:1)"
    assert any(cell.startswith(whole) and cell.endswith("# z") for cell in shown)


# junit.xml


@every_record
def test_junit_counts_what_the_record_counts(record: Record, tmp_path: Path) -> None:
    document = JUnitXml.fromfile(str(write_reports(record, tmp_path) / "junit.xml"))
    states = [step.state for step in record.steps]
    skipped = states.count("skipped") + len(record.skipped()) + (record.verdict == "skipped")
    extra = skipped + states.count("error")
    assert document.tests == record.count(True) + record.count(False) + extra
    assert document.failures == record.count(False)
    assert document.skipped == skipped
    assert document.errors == states.count("error")
    assert document.time == pytest.approx(record.seconds)


def test_a_failed_expectation_names_expected_and_seen_in_junit(tmp_path: Path) -> None:
    folder = write_reports(samples.underlay_blocked(), tmp_path)
    cases = ElementTree.parse(folder / "junit.xml").iter("testcase")  # noqa: S314 - our own file
    failed = [case for case in cases if case.find("failure") is not None]
    assert failed[0].get("classname") == "overlay.evidence"
    assert failed[0].get("name") == "machine2: replies to 3 pings of 172.45.0.3"
    failure = failed[0].find("failure")
    assert failure is not None
    assert failure.get("message") == "expected 3, seen 0"


def test_the_cases_of_a_step_last_as_long_as_the_step(tmp_path: Path) -> None:
    record = samples.sample()
    folder = write_reports(record, tmp_path)
    cases = ElementTree.parse(folder / "junit.xml").iter("testcase")  # noqa: S314 - our own file
    times = [
        float(case.get("time", "nan")) for case in cases if case.get("classname") == "overlay.4"
    ]
    assert times == [0.9, 0.0, 0.0, 0.0]


@pytest.mark.parametrize("verdict", ["error", "interrupted"])
def test_a_run_that_ended_early_is_never_green_in_junit(tmp_path: Path, verdict: str) -> None:
    record = samples.sample().model_copy(update={"verdict": verdict})
    document = JUnitXml.fromfile(str(write_reports(record, tmp_path) / "junit.xml"))
    assert document.errors == 1


# The kinds of evidence

KINDS = ("placement", "pings", "packets", "full size", "TCP", "virtual address")


def states(record: Record) -> list[str]:
    """The states of the first three kinds: placement, pings, packets."""
    return [str(one.state) for one in findings.gather(record)][:3]


def kind(record: Record, name: str) -> findings.Evidence:
    return findings.gather(record)[KINDS.index(name)]


def evidence(record: Record) -> list[Step]:
    return [step for step in record.steps if step.number == "evidence"]


def test_every_kind_is_seen_in_a_run_that_passed() -> None:
    assert {one.state for one in findings.gather(samples.sample())} == {"seen"}


def test_a_blocked_underlay_shows_although_names_still_ping() -> None:
    record = samples.underlay_blocked()
    assert states(record) == ["seen", "missing", "missing"]
    # Larger packets were not tried.
    assert {kind(record, name).state for name in KINDS[3:]} == {"unknown"}
    assert [fact.seen for fact in findings.name_pings(record)] == [
        "3 of 3 replies, median 0.093\u00a0ms"
    ] * 2


def test_tasks_on_one_node_prove_nothing_about_two() -> None:
    record = samples.sample()
    for task in record.topology.tasks:
        task.machine = "machine1"
    assert kind(record, "placement").state == "missing"
    assert {kind(record, name).state for name in KINDS[1:5]} & {"seen"} == set()


def test_nothing_recorded_is_neither_seen_nor_missing() -> None:
    assert {one.state for one in findings.gather(samples.image_missing())} == {"unknown"}


def test_full_size_packets_are_shown_with_their_size_and_the_largest_that_is_answered() -> None:
    record = samples.sample()
    facts = kind(record, "full size").facts
    assert facts[0].label == "machine2 → machine1"
    assert facts[0].seen == "172.45.0.3, 1450 bytes: 3 of 3 replies, median 1.31\u00a0ms"
    lost = evidence(record)[0].pings[1]
    lost.received, lost.rtts_ms, lost.largest = 0, [], 1350
    full = kind(record, "full size")
    assert full.state == "partly"
    assert "(the largest answered: 1350): 0 of 3 replies" in full.facts[0].seen
    # Small ones cross all the same.
    assert kind(record, "pings").state == "seen"


def test_full_size_packets_one_way_alone_are_seen_in_part() -> None:
    record = samples.sample()
    evidence(record)[0].pings = evidence(record)[0].pings[:1]
    assert kind(record, "full size").state == "partly"
    evidence(record)[1].pings[1].received = 0
    assert kind(record, "full size").state == "missing"


@pytest.mark.parametrize(("name", "layer"), [("TCP", "TCP"), ("virtual address",) * 2])
def test_a_transfer_that_failed_is_shown_with_what_was_seen(name: str, layer: str) -> None:
    record = samples.sample()
    assert kind(record, name).state == "seen"
    mine = [e for step in evidence(record) for e in step.expectations if e.layer == layer]
    mine[0].passed, mine[0].seen = False, "no answer (nc: timed out)"
    assert kind(record, name).state == "partly"
    assert kind(record, name).facts[0].seen.endswith("unchanged: no answer (nc: timed out)")
    mine[1].passed = False
    assert kind(record, name).state == "missing"


def test_a_transfer_to_the_own_machine_is_none_between_two() -> None:
    record = samples.sample()
    for step in evidence(record):
        for one in step.expectations:
            one.machine = "machine1"
    assert [fact.label for fact in kind(record, "TCP").facts] == ["machine1 → machine2"]
    assert kind(record, "TCP").state == "partly"


def test_a_ping_of_the_name_is_no_evidence_for_the_virtual_address() -> None:
    record = samples.sample()
    for step in record.steps:
        for one in step.expectations:
            one.source = "ping"
    assert kind(record, "virtual address").state == "unknown"


def test_a_virtual_address_that_was_not_judged_is_not_shown(tmp_path: Path) -> None:
    title = kind(samples.sample(), "virtual address").title
    for record, shown in ((samples.sample(), True), (samples.weave(), False)):
        folder = write_reports(record, tmp_path / record.scenario)
        for name in ("report.html", "report.md"):
            text = (folder / name).read_text()
            assert (title in text) is shown
            for other in KINDS[3:5]:
                assert kind(record, other).title in text
    both = findings.recorded(samples.sample(), samples.weave())
    assert [[one.state for one in pair] for pair in both][3:] == [
        ["seen", "seen"],
        ["seen", "seen"],
        ["seen", "unknown"],
    ]


def test_one_direction_alone_is_seen_in_part() -> None:
    record = samples.sample()
    next(step for step in record.steps if step.number == "evidence").pings = []
    assert states(record)[1] == "partly"


def test_a_lost_reply_is_seen_in_part() -> None:
    record = samples.sample()
    ping = next(step for step in record.steps if step.number == "evidence").pings[0]
    ping.received, ping.rtts_ms = 2, ping.rtts_ms[:2]
    assert states(record)[1] == "partly"


def test_a_ping_of_a_services_name_is_never_evidence_of_crossing() -> None:
    record = samples.sample()
    for step in record.steps:
        for ping in step.pings:
            ping.kind = "name"
    assert states(record)[1] == "unknown"


def test_icmp_of_others_is_not_the_ping_of_the_tasks() -> None:
    record = samples.sample()
    for step in record.steps:
        for capture in step.captures:
            for packet in capture.packets:
                packet.inner = "ICMP echo request 172.45.0.3 > 172.45.0.9"
    assert states(record)[2] == "partly"


def test_a_packet_that_could_not_be_decoded_is_said_to_be_so() -> None:
    record = samples.sample()
    for step in record.steps:
        for capture in step.captures:
            for packet in capture.packets:
                packet.encapsulation, packet.vni, packet.inner = "", None, ""
    packets = findings.gather(record)[2]
    assert packets.state == "partly"
    assert packets.facts[0].seen.startswith("12 packets: not decoded, UDP 4789; 0 of 6 carry ICMP")


def test_packets_of_another_vni_are_not_this_networks() -> None:
    record = samples.sample()
    for step in record.steps:
        for capture in step.captures:
            for packet in capture.packets:
                packet.vni = 4096
    assert states(record)[2] == "partly"
    assert findings.encapsulation_seen(record) == ""


def test_packets_without_the_ping_inside_are_seen_in_part() -> None:
    record = samples.sample()
    for step in record.steps:
        for capture in step.captures:
            for packet in capture.packets:
                packet.inner = "UDP 172.45.0.3 > 172.45.0.6"
    assert states(record)[2] == "partly"


@pytest.mark.parametrize("name", ["ESP of Weave's fast datapath", "encrypted Weave sleeve"])
def test_what_is_encrypted_is_not_said_to_carry_nothing(name: str) -> None:
    record = samples.weave()
    for _, capture in findings.all_captures(record):
        for packet in capture.packets:
            packet.encapsulation, packet.inner = name, ""
    packets = findings.gather(record)[2]
    assert packets.state == "partly"
    assert all("what they carry cannot be read" in fact.seen for fact in packets.facts)


def test_a_driver_without_vni_is_known_by_its_own_encapsulation() -> None:
    assert states(samples.weave()) == ["seen", "seen", "seen"]
    assert kind(samples.weave(), "TCP").state == "seen"
    assert findings.encapsulation_seen(samples.weave()) == "Weave sleeve, UDP 6783"


# The book's command and the one that was run


def kinds(book: str, command: str) -> list[tuple[str, str]]:
    return [(part.text, part.kind) for part in mark(book, command).parts]


def test_what_was_added_to_the_books_command_is_marked() -> None:
    assert kinds(
        "docker service create --name a alpine", "docker service create -d --name a alpine"
    ) == [
        ("docker service create", "same"),
        (" -d", "added"),
        (" --name a alpine", "same"),
    ]


def test_a_scenario_that_is_in_no_book_speaks_of_none(tmp_path: Path) -> None:
    record = samples.sample()
    record.notes = []
    for exercise, source in (("6.04", "book"), ("-", "exercise")):
        record.exercise = exercise
        write_reports(record, tmp_path)
        for end in ("html", "md"):
            words = (tmp_path / f"report.{end}").read_text()
            assert f"Run as in the {source}, on" in words
            assert ("the book" in words) is (source == "book")


def test_a_blank_of_the_book_is_filled_in_and_not_added() -> None:
    marked = mark("docker inspect <task>", "docker inspect alpine.1.x")
    assert marked.filled == ("alpine.1.x",)
    assert marked.added == ()
    assert marked.left_out == ()


def test_an_ellipsis_of_the_book_takes_whatever_stands_there() -> None:
    marked = mark(
        "docker network create -d overlay … net1",
        "docker network create -d overlay --gateway 10.0.0.1 net1",
    )
    assert marked.filled == ("--gateway 10.0.0.1",)


def test_a_command_typed_into_a_shell_is_laid_beside_both_lines_of_the_book() -> None:
    marked = mark(
        "docker exec -it <alpine-overlay2 task> /bin/sh\nping alpine-overlay1",
        "docker exec alpine-overlay2.1.x ping -c 3 alpine-overlay1",
    )
    assert marked.filled == ("alpine-overlay2.1.x",)
    assert marked.added == ("-c 3",)
    assert marked.left_out == ("-it", "/bin/sh")


def test_a_check_that_is_not_in_the_book_is_not_marked() -> None:
    assert not mark("docker swarm init", "docker info --format '{{.Swarm}}'").in_book
    assert not mark("", "docker ps").in_book


@pytest.mark.parametrize(
    "command", ["docker  exec x\tsh -c 'a   b'", " docker ps\n", "docker ps -a"]
)
def test_the_parts_put_together_are_the_command_as_it_ran(command: str) -> None:
    for book in ("docker ps", "docker exec <x> sh", "nothing alike"):
        parts = mark(book, command).parts
        assert "".join(part.text for part in parts).rstrip() == command.rstrip()


# The pictures


@pytest.mark.parametrize("count", range(2, 11))
@pytest.mark.parametrize("layout", [topology.wide, topology.narrow])
def test_the_picture_holds_every_host_inside_its_edges_without_overlap(
    count: int, layout: object
) -> None:
    record = samples.many_hosts(count)
    picture = layout(record)  # type: ignore[operator]
    boxes = [box for box in picture.boxes if box.style == "host"]
    assert len(boxes) == count
    for box in picture.boxes:
        assert box.x >= 0
        assert box.x + box.width <= picture.width
        assert box.y + box.height <= picture.height
    for at, one in enumerate(boxes):
        for other in boxes[at + 1 :]:
            apart = one.x + one.width <= other.x or other.x + other.width <= one.x
            assert apart or one.y + one.height <= other.y or other.y + other.height <= one.y
    said = {words.text for words in picture.words}
    assert {host.address for host in record.topology.hosts} <= said


def test_more_tasks_than_fit_are_counted_in_the_picture() -> None:
    record = samples.sample()
    record.topology.tasks += [
        record.topology.tasks[0].model_copy(update={"address": f"172.45.1.{n}/16"})
        for n in range(20)
    ]
    assert "and 16 more" in {words.text for words in topology.wide(record).words}


def test_the_chart_has_a_row_per_ping_and_a_dot_per_reply() -> None:
    chart = charts.rtt_chart(charts.run_series(samples.sample()))
    assert chart is not None
    assert [len(row.dots) for row in chart.rows] == [3, 3, 3, 3, 3, 3]
    assert [row.mark for row in chart.rows] == [*["crossing"] * 4, "local", "local"]


def test_small_and_full_size_pings_of_one_address_are_told_apart(tmp_path: Path) -> None:
    chart = charts.rtt_chart(charts.run_series(samples.sample()))
    assert chart is not None
    labels = [row.label for row in chart.rows]
    assert len(set(labels)) == len(labels)
    assert sum(label.endswith(", 1450 B") for label in labels) == 2
    folder = write_reports(samples.sample(), tmp_path)
    assert "full-size packets, 1450 bytes" in (folder / "report.html").read_text()
    assert "`172.45.0.3` (1450 bytes) |" in (folder / "report.md").read_text()


@pytest.mark.parametrize("rtts", [[0.0], [1.0], [0.05, 900.0], [1.0, 10.0, 100.0], []])
def test_every_dot_lies_on_the_axis_in_the_order_of_its_time(rtts: list[float]) -> None:
    chart = charts.rtt_chart([charts.Series("x", tuple(rtts), "", 0, "crossing")])
    assert chart is not None
    places = [dot.x for dot in chart.rows[0].dots]
    assert places == sorted(places)
    assert all(chart.ticks[0].x <= place <= chart.ticks[-1].x for place in places)
    assert sum(bool(tick.label) for tick in chart.ticks) >= 2


def test_lost_replies_show_in_the_chart() -> None:
    chart = charts.rtt_chart(charts.run_series(samples.underlay_blocked()))
    assert chart is not None
    assert [row.lost for row in chart.rows] == [3, 3, 0, 0]


@every_record
def test_the_time_line_places_every_step_within_the_run(record: Record) -> None:
    bars = charts.time_line(record)
    assert len(bars) == len(record.steps)
    for bar in bars:
        assert 0 <= bar.start <= bar.start + bar.width <= 100.01
        assert bar.known == (bar.step.state != "skipped")


# Texts


@pytest.mark.parametrize(
    ("output", "shown"),
    [
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07x", "x"),
        ("1/1: preparing\x1b[K\r\n1/1: running\r\n", "1/1: preparing\n1/1: running\n"),
        ("10%\r20%\r", "10%\n20%\n"),
        ("a\x00b\x07\x1b", "a␀b␇␛"),
        ("user\u202etxt", "user\ufffdtxt"),
        ("tab\tand → ü stay", "tab\tand → ü stay"),
    ],
)
def test_an_output_is_shown_without_its_control_sequences(output: str, shown: str) -> None:
    assert readable(output) == shown


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.0, "0.00 s"),
        (9.994, "9.99 s"),
        (9.999, "10.0 s"),
        (59.94, "59.9 s"),
        (59.99, "1 min 00 s"),
        (245.0, "4 min 05 s"),
        (3599.6, "1 h 00 min"),
        (3725.0, "1 h 02 min"),
    ],
)
def test_durations_are_said_in_the_unit_that_fits(seconds: float, said: str) -> None:
    assert text.duration(seconds) == said


@pytest.mark.parametrize(
    ("file", "target"),
    [
        ("raw/a b.json", "raw/a%20b.json"),
        ("javascript:alert(1)", "javascript%3Aalert%281%29"),
        ("/etc/passwd", ""),
        ("raw/../../x", ""),
        ("raw\\x", ""),
        ("", ""),
    ],
)
def test_only_files_of_the_report_itself_are_linked(file: str, target: str) -> None:
    assert text.link(file) == target


# Two runs side by side


def test_a_comparison_puts_both_runs_in_both_files(tmp_path: Path) -> None:
    folder = write_comparison([samples.sample(), samples.weave()], tmp_path)
    page = _Page((folder / "comparison.html").read_text())
    assert page.strays == []
    assert page.open == []
    assert len(page.attributes("id")) == len(set(page.attributes("id")))
    assert page.attributes("src") == []
    for words in (page.text, (folder / "comparison.md").read_text()):
        assert "Weave sleeve, UDP 6783" in words
        assert "VXLAN, VNI 4097, UDP 4789" in words


def test_a_comparison_lays_the_same_direction_of_both_runs_beside_each_other(
    tmp_path: Path,
) -> None:
    folder = write_comparison([samples.sample(), samples.weave()], tmp_path)
    words = _Page((folder / "comparison.html").read_text()).text
    order = [
        words.index(label)
        for label in (
            "overlay: machine2 → 172.45.0.3",
            "weave: machine2 → 10.1.1.2",
            "overlay: machine1 → 172.45.0.6",
            "weave: machine1 → 10.1.1.3",
        )
    ]
    assert order == sorted(order)


def test_runs_of_one_scenario_are_told_apart_by_lab_or_time(tmp_path: Path) -> None:
    again = samples.sample().model_copy(update={"started": "2026-11-25T08:00:00Z"})
    write_comparison([samples.sample(), again], tmp_path)
    assert (
        "# 2026-11-24T13:05:09Z and 2026-11-25T08:00:00Z"
        in (tmp_path / "comparison.md").read_text()
    )


def test_three_runs_are_compared_with_the_first_and_each_has_its_column(tmp_path: Path) -> None:
    runs = [samples.sample(), samples.weave(), samples.underlay_blocked()]
    write_comparison(runs, tmp_path)
    page = _Page((tmp_path / "comparison.html").read_text())
    assert page.strays == []
    assert page.open == []
    assert len(page.attributes("id")) == len(set(page.attributes("id")))
    # Two of one scenario: its name alone does not tell them apart.
    names = ("overlay on book", "weave on book")
    text = (tmp_path / "comparison.md").read_text()
    assert "What differs from the first run" in page.text
    columns = [line.count("|") for line in text.splitlines() if line.startswith("| verdict")]
    assert columns == [5]
    assert names[0] not in text  # labs do not tell them apart either
    assert text.startswith("# overlay 1 and weave 2 and overlay 3 side by side")


def test_a_comparison_with_a_run_that_never_pinged_is_written_as_well(tmp_path: Path) -> None:
    write_comparison([samples.image_missing(), samples.hostile()], tmp_path)
    tokens = (
        MarkdownIt("commonmark", {"html": True})
        .enable("table")
        .parse((tmp_path / "comparison.md").read_text())
    )
    inline = [child for token in tokens for child in token.children or []]
    assert [token for token in [*tokens, *inline] if token.type.startswith("html")] == []


def test_a_ping_without_replies_is_told_without_a_median() -> None:
    ping = Ping(
        source_machine="machine1",
        source_task="a",
        target="172.45.0.6",
        address="172.45.0.6",
        kind="task-address",
        sent=3,
        received=0,
        rtts_ms=[],
    )
    assert findings.replies(ping) == "0 of 3 replies"


# Faults


def broken_on_purpose(healed: str = "step") -> Record:
    record = samples.sample().model_copy(deep=True)
    record.faults = [
        Fault(
            kind="partition",
            what="no packet passes between machine1 and <b>machine2</b>",
            machines=["machine1", "machine2"],
            step="14",
            begin="2026-11-24T13:05:09.500+00:00",
            end="2026-11-24T13:05:21.500+00:00" if healed else "",
            healed=healed,
        )
    ]
    return record


def test_every_report_has_a_line_for_each_fault(tmp_path: Path) -> None:
    record = broken_on_purpose()
    line = (
        "partition: no packet passes between machine1 and <b>machine2</b> "
        "(step 14, from 2026-11-24 13:05:09 UTC for 12.0 s)"
    )
    assert f"Fault, {line}" in page_of(record, tmp_path).text
    assert "Fault, partition: no packet passes" in (tmp_path / "report.md").read_text()
    assert "<b>" not in (tmp_path / "report.md").read_text().replace("\\<b\\>", "")
    (suite,) = JUnitXml.fromfile(str(tmp_path / "junit.xml"))
    properties = [(one.name, one.value) for one in suite.properties()]  # type: ignore[no-untyped-call]
    assert ("fault", line) in properties
    assert load(tmp_path) == record


def test_a_fault_that_the_run_has_not_healed_says_so() -> None:
    (fault,) = broken_on_purpose("timer").faults
    assert text.fault(fault).endswith("for 12.0 s, healed by its timer)")
    (fault,) = broken_on_purpose("").faults
    assert text.fault(fault).endswith("UTC, not healed by the run)")


def test_a_scenario_that_was_skipped_says_so_and_why_in_every_format(tmp_path: Path) -> None:
    record = samples.cannot_run()
    write_reports(record, tmp_path)
    assert load(tmp_path).missing == record.missing
    html = (tmp_path / "report.html").read_text()
    markdown = (tmp_path / "report.md").read_text()
    for page in (html, markdown):
        assert "Skipped" in page
        assert "has no IPVS" in page
        assert "What was proven" not in page
    suite = next(iter(JUnitXml.fromfile(str(tmp_path / "junit.xml"))))
    assert (suite.tests, suite.skipped, suite.failures, suite.errors) == (1, 1, 0, 0)
    assert "has no IPVS" in (tmp_path / "junit.xml").read_text()
