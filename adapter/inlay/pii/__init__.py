"""Personal data that has a form: found by rules and checksums, without a model.

The contract, which stored answers rest on (VERSION):

- A span counts Unicode code points of the text as it was given, from 0, end exclusive; text[start:end] is its text.
- Spans stand in order and never overlap. What contains another wins: an e-mail address or a card number in a URL is
  part of the URL. The address after mailto: is an e-mail address. Where URLs or addresses were not asked for, what
  stands inside them is found.
- What a number is does not depend on what was asked for: a piece of a card number is no telephone number, even where
  cards are of no interest.
- An address ends before its punctuation, an IP address before port, prefix length and zone. A telephone number has
  its extension with it.
- Digits of any script and full-width letters are read as ASCII. Invisible characters (zero-width, soft hyphen,
  direction marks) are read over, and are inside a span where they stand between its characters.
- redact() leaves nothing to find: a text redacted twice is the text redacted once. A placeholder is read as what it
  replaced.
- Time grows with the length of a text and not faster, whatever the text.
"""

from inlay.pii.categories import CATEGORIES, read_categories
from inlay.pii.find import VERSION, Span, find_pii, redact, without

__all__ = ["CATEGORIES", "VERSION", "Span", "find_pii", "read_categories", "redact", "without"]
