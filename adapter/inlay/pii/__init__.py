"""Personal data with a fixed format: found by rules and checksums, without a model.

The contract that stored answers depend on (VERSION):

- A span counts Unicode code points of the text as it was given, from 0, end exclusive; text[start:end] is its text.
- Spans are in order and never overlap. The outer one wins: an e-mail address or a card number in a URL is part of the
  URL. The address after mailto: is an e-mail address. Where a call excludes URLs or addresses, data inside them is
  found.
- The category of a number does not depend on the categories of the call: a part of a card number is no telephone
  number, even where cards are excluded.
- An address ends before its punctuation, an IP address before port, prefix length and zone. A telephone number includes
  its extension.
- Digits of any script and full-width letters are read as ASCII. Invisible characters (zero-width, soft hyphen,
  direction marks) are ignored, and are inside a span where they are between its characters.
- redact() leaves nothing to find: a text redacted twice is the text redacted once. A placeholder is read as the data
  that it replaced.
- Time is linear in the length of a text, whatever the text.
"""

from inlay.pii.categories import CATEGORIES, read_categories
from inlay.pii.find import VERSION, Span, find_pii, redact, without

__all__ = ["CATEGORIES", "VERSION", "Span", "find_pii", "read_categories", "redact", "without"]
