"""junit.xml: a test case for each expectation, for CI systems that show such files."""

from __future__ import annotations

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from provision.support.text import readable
from scenarios.record.model import Expectation, Record, Step
from scenarios.report.text import fault, value


def render(record: Record) -> bytes:
    """The record in the form of Ant's JUnit schema, as UTF-8.

    A skipped step is one skipped case, a step that broke an error. The first case of a step bears
    the step's whole duration, so that the suite's sum is right.
    """
    suite = TestSuite(_legal(f"{record.scenario} ({record.lab})"))
    suite.timestamp = _legal(record.started)
    for name, text in (
        ("exercise", record.exercise),
        ("lab", record.lab),
        ("provider", record.provider),
        ("image", record.image),
        ("verdict", record.verdict),
        *_diagnosis(record),
        *(("fault", fault(one)) for one in record.faults),
    ):
        suite.add_property(name, _legal(text))
    for step in record.steps:
        cases = _cases(record, step)
        for index, case in enumerate(cases):
            case.time = 0.0 if index else round(step.seconds, 3)
            suite.add_testcase(case)
    broken = any(step.state == "error" for step in record.steps)
    if record.verdict in ("error", "interrupted") and not broken:
        case = TestCase("the run reached its end", record.scenario)
        case.result = [Error(f"the run ended early: {record.verdict}", record.verdict)]
        suite.add_testcase(case)
    if record.verdict == "skipped":
        suite.add_testcase(
            _case(record.scenario, record.title, Skipped(_legal("; ".join(record.missing))))
        )
    document = JUnitXml("swarmrig")
    document.add_testsuite(suite)
    document.update_statistics()  # type: ignore[no-untyped-call]
    suite.time = round(record.seconds, 3)
    document.time = round(record.seconds, 3)
    return bytes(document.tostring())  # type: ignore[no-untyped-call]


def _diagnosis(record: Record) -> list[tuple[str, str]]:
    found = record.diagnosis
    return [("layer", found.layer), ("likely cause", found.cause)] if found else []


def _cases(record: Record, step: Step) -> list[TestCase]:
    classname = f"{record.scenario}.{step.number}"
    cases = [_expectation(classname, expectation) for expectation in step.expectations]
    if step.state == "skipped":
        cases.append(_case(classname, step.title, Skipped(_legal(step.reason or "skipped"))))
    elif step.state == "error":
        cases.append(_case(classname, step.title, Error(_legal(step.reason), "error")))
    elif step.state == "failed" and all(e.passed is not False for e in step.expectations):
        cases.append(_case(classname, step.title, Failure(_legal(step.reason), "step")))
    return cases


def _expectation(classname: str, expectation: Expectation) -> TestCase:
    where = f"{expectation.machine}: " if expectation.machine else ""
    if expectation.passed:
        return _case(classname, where + expectation.what)
    if expectation.passed is None:
        return _case(classname, where + expectation.what, Skipped(_legal(expectation.skipped)))
    words = f"expected {value(expectation.expected)}, seen {value(expectation.seen)}"
    failure = Failure(_legal(words), "expectation")
    failure.text = _legal(f"{words}\nsource: {expectation.source}")
    return _case(classname, where + expectation.what, failure)


def _case(classname: str, name: str, result: Failure | Error | Skipped | None = None) -> TestCase:
    case = TestCase(_legal(name), _legal(classname))
    if result is not None:
        case.result = [result]
    return case


def _legal(text: str) -> str:
    """XML 1.0 has no way to write most control characters, not even escaped."""
    return readable(text)
