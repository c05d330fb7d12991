"""Failed loads: waits that double, quarantine after three, and what ends it."""

from edgeproof.runtime.load_ledger import LoadLedger
from edgeproof.runtime.swap_codes import BLOCKS, compose_reason


def test_waits_double_and_three_failures_are_a_quarantine():
    ledger = LoadLedger()
    assert ledger.find_block("a", 0.0) is None
    ledger.note_failure("a", 0.0, "d1")
    assert [ledger.find_block("a", now, "d1") for now in (9.9, 10.0)] == ["backoff", None]
    ledger.note_failure("a", 10.0, "d1")
    assert [ledger.find_block("a", now, "d1") for now in (29.9, 30.0)] == ["backoff", None]
    ledger.note_failure("a", 30.0, "d1")
    assert ledger.find_block("a", 1e9, "d1") == ledger.find_block("a", 1e9, None) == "quarantine"
    assert ledger.list_blocks(1e9, lambda name: "d1") == {"a": "quarantine"}
    assert ledger.find_block("a", 31.0, "d2") is None  # another file
    assert ledger.list_blocks(31.0, lambda name: "d2") == {}


def test_a_success_and_a_release_forget():
    for forget in (LoadLedger.note_success, LoadLedger.release):
        ledger = LoadLedger()
        for now in (0.0, 10.0, 30.0):
            ledger.note_failure("a", now)
        forget(ledger, "a")
        assert ledger.find_block("a", 30.0) is None


def test_reasons():
    assert compose_reason(BLOCKS["residency"], "a") == "SWAP_SKIPPED_RESIDENCY:a"
    assert compose_reason("SWAP_LOAD_FAILED", "a", "x" * 600) == "SWAP_LOAD_FAILED:a:" + "x" * 500
