"""Personal data found by rules: how good on texts marked by hand, and what holds for any text."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from inlay.errors import ConfigError
from inlay.pii import CATEGORIES, Span, find_pii, read_categories, redact
from inlay.pii.iban import ACCOUNT_FORMS

CASES = Path(__file__).with_name("pii_cases.txt")
HELD_OUT = Path(__file__).with_name("pii_cases.held_out.txt")
# Floors of F1 over exact spans. The first four are promised. On the held-out texts as they were first met e-mail had
# 0.98, cards and SSNs 1.0, IBANs 0.98 (two run into words), telephone numbers 0.98, URLs 1.0, and IP addresses 0.86, for
# what looks like one may be a version.
FLOORS = {"email": 0.95, "card": 0.95, "iban": 0.95, "ssn": 0.95, "phone": 0.95, "url": 0.95, "ip": 0.90}

_ESCAPE = re.compile(r"\\(?:([nrt\\#])|u\{([0-9a-f]+)\})")
_MARK = re.compile(r"\{\{([a-z]+):(.*?)\}\}")
_PLAIN = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", "#": "#"}


def written_out(line: str) -> str:
    return _ESCAPE.sub(lambda found: _PLAIN[found[1]] if found[1] else chr(int(found[2], 16)), line)


def read_cases(path: Path) -> list[tuple[str, list[Span]]]:
    cases = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        text, spans, done = "", [], 0
        for mark in _MARK.finditer(line):
            text += written_out(line[done : mark.start()])
            value = written_out(mark[2])
            spans.append(Span(mark[1], len(text), len(text) + len(value), value))
            text, done = text + value, mark.end()
        cases.append((text + written_out(line[done:]), spans))
    return cases


def luhn_digit(digits: str) -> str:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 if place % 2 else 2)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def check_digits(country: str, account: str) -> str:
    return f"{98 - int(''.join(str(int(char, 36)) for char in f'{account}{country}00')) % 97:02d}"


@pytest.mark.parametrize("path", [CASES, HELD_OUT], ids=["cases", "held_out"])
def test_f1_of_exact_spans(path: Path) -> None:
    right: Counter[str] = Counter()
    found: Counter[str] = Counter()
    marked: Counter[str] = Counter()
    wrong = []
    for text, expected in read_cases(path):
        spans = find_pii(text)
        right.update(span.category for span in spans if span in expected)
        found.update(span.category for span in spans)
        marked.update(span.category for span in expected)
        if spans != expected:
            wrong.append(f"{text!r}\n    expected {expected}\n    found    {spans}")
    f1 = {category: 2 * right[category] / (found[category] + marked[category]) for category in CATEGORIES}
    precision = {category: right[category] / max(found[category], 1) for category in CATEGORIES}
    recall = {category: right[category] / max(marked[category], 1) for category in CATEGORIES}
    account = f"F1 {f1}\nprecision {precision}\nrecall {recall}\n" + "\n".join(wrong)
    assert all(f1[category] >= floor for category, floor in FLOORS.items()), account


def test_the_marked_texts_are_many_and_their_marks_hold() -> None:
    cases = read_cases(CASES) + read_cases(HELD_OUT)
    assert len(cases) >= 1000
    assert sum(not spans for _, spans in cases) >= 400
    for text, spans in cases:
        for span in spans:
            assert text[span.start : span.end] == span.text
            assert span.category in CATEGORIES
            digits = "".join(str(int(char)) for char in span.text if char.isdecimal())
            if span.category == "card":
                assert luhn_digit(digits[:-1]) == digits[-1], span
            if span.category == "ssn":
                assert len(digits) == 9, span
            if span.category == "iban" and span.text.isascii():
                number = re.sub(r"\W", "", span.text).upper()
                assert check_digits(number[:2], number[4:]) == number[2:4], span


def test_every_text_of_the_cases_redacted_holds_nothing() -> None:
    for text, _ in read_cases(CASES) + read_cases(HELD_OUT):
        assert find_pii(redact(text)) == []


def test_spans_count_code_points() -> None:
    text = "👩‍👩‍👧 𝕁o: jo@example.com 💳 4111 1111 1111 1111"
    assert [text[span.start : span.end] for span in find_pii(text)] == ["jo@example.com", "4111 1111 1111 1111"]
    assert find_pii(text)[0].start == text.index("jo@")


def test_redact_writes_the_category() -> None:
    text = "jo@example.com 4111111111111111 DE89370400440532013000 10.0.0.1 +1 202-555-0143 402-23-6791 https://a.de/b"
    assert redact(text) == "[EMAIL] [CARD] [IBAN] [IP] [PHONE] [SSN] [URL]"
    assert redact(text, ["ssn", "ip"]) == text.replace("10.0.0.1", "[IP]").replace("402-23-6791", "[SSN]")


def test_a_url_and_an_address_hold_what_was_asked_for() -> None:
    text = "https://example.com/?to=jo@example.com&card=4111111111111111 and 4111111111111111@example.com"
    assert [span.category for span in find_pii(text)] == ["url", "email"]
    assert [span.category for span in find_pii(text, ["email"])] == ["email", "email"]
    assert [span.text for span in find_pii(text, ["card"])] == ["4111111111111111"] * 2


def test_what_a_number_is_does_not_depend_on_what_was_asked_for() -> None:
    for number in ("DE89 3704 0044 0532 0130 00", "4111 1111 1111 1111", "402-23-6791", "2001:db8::1"):
        assert find_pii(f"tel {number}", ["phone"]) == []


def test_placeholders_are_read_as_what_they_replaced() -> None:
    assert find_pii("[EMAIL] [CARD] [SSN] 402236791") == []
    assert [span.text for span in find_pii("[NAME], jo@example.com")] == ["jo@example.com"]


@pytest.mark.parametrize("country", ACCOUNT_FORMS)
def test_ibans_of_every_country(country: str) -> None:
    kinds = re.findall(r"(\d+)([nac])", ACCOUNT_FORMS[country])
    account = "".join({"n": "7", "a": "Q", "c": "8"}[kind] * int(n) for n, kind in kinds)
    number = country + check_digits(country, account) + account
    assert 15 <= len(number) <= 34
    groups = " ".join(number[i : i + 4] for i in range(0, len(number), 4))
    assert [span.text for span in find_pii(f"IBAN: {number}, {groups.lower()}.")] == [number, groups.lower()]
    assert find_pii(number[:-1]) == []


def test_categories_are_read_in_any_case_and_order() -> None:
    assert read_categories("ai_redact", None) == CATEGORIES
    assert read_categories("ai_redact", ["URL", "Email", "url"]) == ("email", "url")
    assert read_categories("ai_redact", ("ssn",)) == ("ssn",)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["emial"], r"ai_redact: unknown category 'emial'\. Did you mean 'email'\? Known: email, card, "),
        (["email", 3], r"ai_redact: categories contains 3; each category must be a text"),
        ([None], r"ai_redact: categories contains None; each category must be a text"),
        ("email", r"ai_redact: categories is 'email'; it must be a list"),
        ([], r"ai_redact: categories is empty"),
    ],
)
def test_wrong_categories_say_what_is_known(given: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_categories("ai_redact", given)


MANY = settings(max_examples=400, deadline=None, derandomize=True)
PIECES = [span.text for _, spans in read_cases(CASES) for span in spans] + [
    *("SSN", "tel ", "order ", "version ", "upgrade to ", "message-id: <", "[CARD]", "[SSN]", "12/12/2024", "10:30"),
    *("a", "1", "é", "日", "😀", "\u200b", "\\n", "\n", " ", "  ", ", ", ",", "/", ":", "-", ".", ";", "|", "(", ") "),
    *("_", "=", "+", "@", "x", "#", "*", "'", '"', "€", "www.", "https://", "00", "1234", "DE88370400440532013000"),
]
TEXTS = st.one_of(
    st.text(max_size=60),
    st.lists(st.sampled_from(PIECES), max_size=8).map("".join),
    st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=12).map("".join),
    st.text(alphabet="0123456789 -.()+/:@ae", max_size=60),
)
SOME = st.one_of(st.just(CATEGORIES), st.lists(st.sampled_from(CATEGORIES), min_size=1, unique=True).map(tuple))


@MANY
@given(TEXTS, SOME)
def test_spans_are_of_the_text_in_order_and_apart(text: str, categories: tuple[str, ...]) -> None:
    done = 0
    for span in find_pii(text, categories):
        assert span.category in categories
        assert done <= span.start < span.end <= len(text)
        assert text[span.start : span.end] == span.text
        done = span.end


@MANY
@given(TEXTS, SOME)
def test_redacting_twice_is_redacting_once(text: str, categories: tuple[str, ...]) -> None:
    once = redact(text, categories)
    assert redact(once, categories) == once


DIGITS = st.text(alphabet="0123456789", min_size=19, max_size=19)
# Words without digits, and something that a number may stand next to.
BEFORE = st.builds(
    str.__add__,
    st.text(alphabet="abz ÄßжШ中文あ한😀,;!?'\"()*#\n\t", max_size=20),
    st.sampled_from(["", " ", "\n", "\t", ": ", "=", '"', "(", ", ", ";", "|", ">"]),
).filter(lambda text: not re.search(r"[a-zÄß]$", text))
AFTER = st.builds(
    str.__add__,
    st.sampled_from(["", " ", "\n", ". ", ".", ",", ";", '"', ")", "!", "?", "|", "<", "中"]),
    st.text(alphabet="bz ÄжШ中文あ한😀,;!?'\"()*#\n\t", max_size=20),
).filter(lambda text: not re.match(r"[a-zÄß]", text))
# First digits and the groups that are printed. Of 19 digits in groups of four the first 16 can be a card of their own.
CARDS = st.sampled_from(
    [
        *(("4", (4, 4, 4, 4)), ("53", (4, 4, 4, 4)), ("2345", (4, 4, 4, 4)), ("6011", (4, 4, 4, 4))),
        *(("3530", (4, 4, 4, 4)), ("6759", (4, 4, 4, 4)), ("6304", (4, 4, 4)), ("37", (4, 6, 5)), ("36", (4, 6, 4))),
        ("62", (19,)),
    ]
)


def grouped(number: str, sizes: tuple[int, ...], separator: str) -> str:
    ends = itertools.accumulate(sizes)
    return separator.join(number[end - size : end] for end, size in zip(ends, sizes, strict=True))


@MANY
@given(BEFORE, CARDS, DIGITS, st.sampled_from(["", " ", "-", "\u00a0"]), AFTER, st.integers(1, 9), st.integers(0, 18))
def test_cards_are_found_anywhere_and_broken_ones_nowhere(
    before: str, kind: tuple[str, tuple[int, ...]], digits: str, separator: str, after: str, error: int, place: int
) -> None:
    prefix, sizes = kind
    length = sum(sizes)
    number = (prefix + digits)[: length - 1]
    number += luhn_digit(number)
    written = grouped(number, sizes, separator)
    expected = [Span("card", len(before), len(before) + len(written), written)]
    assert find_pii(before + written + after) == expected
    place %= length
    broken = number[:place] + str((int(number[place]) + error) % 10) + number[place + 1 :]
    # The first three groups may be a whole card of twelve digits, and the fourth its expiry date.
    assume(luhn_digit(broken[:11]) != broken[11])
    assert find_pii(before + grouped(broken, sizes, separator) + after, ["card"]) == []


@MANY
@given(
    BEFORE, st.sampled_from(sorted(ACCOUNT_FORMS)), st.text(alphabet="0123456789", min_size=40, max_size=40),
    st.text(alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=40, max_size=40), st.booleans(), st.booleans(), AFTER,
    st.integers(1, 9),
)  # fmt: skip
def test_ibans_are_found_anywhere_and_broken_ones_nowhere(
    before: str, country: str, digits: str, letters: str, in_groups: bool, lower: bool, after: str, error: int
) -> None:
    kinds = re.findall(r"(\d+)([nac])", ACCOUNT_FORMS[country])
    account = "".join((letters if kind == "a" else digits)[: int(n)] for n, kind in kinds)
    check = check_digits(country, account)
    for digits_of_check in (check, f"{(int(check) + error - 2) % 97 + 2:02d}"):
        number = country + digits_of_check + account
        if in_groups:
            number = " ".join(number[i : i + 4] for i in range(0, len(number), 4))
        written = number.lower() if lower else number
        right = [Span("iban", len(before), len(before) + len(written), written)]
        assert find_pii(before + written + after) == (right if digits_of_check == check else [])


@MANY
@given(BEFORE, st.integers(0, 999), st.integers(0, 99), st.integers(0, 9999), st.sampled_from("- "), AFTER)
def test_issued_ssns_are_found_anywhere_and_others_nowhere(
    before: str, area: int, group: int, serial: int, separator: str, after: str
) -> None:
    written = f"{area:03d}{separator}{group:02d}{separator}{serial:04d}"
    issued = area not in (0, 666) and area < 900 and group > 0 and serial > 0
    expected = [Span("ssn", len(before), len(before) + len(written), written)]
    assert find_pii(before + written + after) == (expected if issued else [])


# A rule that looked back over what it has read would need hours for one of these; each takes seconds.
HOSTILE = [
    "a",
    "1",
    "@",
    ".",
    "1 ",
    "+",
    "-",
    "a@",
    "a.",
    "(1",
    "1.",
    "http://a)",
    "www.a,",
    "4111 ",
    "+1",
    "202-555-0143 ",
]


@pytest.mark.parametrize("unit", HOSTILE)
def test_a_hostile_text_of_a_megabyte_is_read_in_time(unit: str) -> None:
    code = (
        "from inlay.pii import find_pii, redact\n"
        f"text = ({unit!r} * 1_000_000)[:1_000_000]\n"
        "assert redact(text) == text or find_pii(text)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
