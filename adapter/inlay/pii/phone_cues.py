"""Words that say that a number is a telephone number, or that it is not."""

from __future__ import annotations

import re

from inlay.pii.reading import MASKS

_WINDOW = 72

_CUES = (
    r"(?:tele)?phones?|telefon(?:nummer|nr|o|e)?|handy(?:nummer|nr)?|mobil(?:e|nummer|telefon)?|rufnummer|tel[ée]fono",
    r"téléphone|m[óo]vil|cellulare?|whatsapp|hotline|helpline|landline|switchboard|tel|tél|telf|tlf|fon|fax|cell|cel|mob",
    r"sms|call|called|text|dial|ring|contact|reached (?:at|on|under|by)|reach (?:me|us|him|her|them)",
    r"ll[aá]ma[a-z]{0,5}|chiam[a-z]{1,5}|appel[a-z]{1,4}|(?:an)?ruf[a-z]{0,3}",
    r"(?:my|his|her|our|their|this|new|office|direct|home|work|private|daytime|contact) (?:number|line)",
)
# Between a cue and its number only these, and names: in 'the phone bill …' and 'call about claim …' it is another one.
_CONNECTORS = (
    r"no|nr|num|numbers?|nummer|numero|n[úu]mero|numéro|is|are|was|has (?:changed|moved)|updated|on file|to|at|on|in|by"
    r"|or|and|of|me|us|him|her|them|my|our|his|their|the|a|this|that|new|old|now|please|back|up|home|work|office|mobile"
    r"|cell|phone|line|direct|desk|front|reception|team|sales|support|service|customer|record|mornings|evenings|days?|any"
    r"|time|anytime|here|after|via|with|using|from|instead|details|info|message|under|unter|die|der|das|den|dem|mich|uns|mir"
    r"|ihn|ist|lautet|meine|unsere|neue|bitte|an|auf|au|aux|le|la|les|mon|ma|notre|est|al|el|mi|su|es|il|lo|mio|è|moi|nous"
)
_BEFORE = re.compile(
    rf"(?<![^\W\d_])(?i:{'|'.join(_CUES)})"
    rf"(?:[^\w\n{MASKS}]+(?:(?i:{_CONNECTORS})(?![^\W\d_])|[A-Z][A-Za-z]+))*[^\w\n{MASKS}]*$"
    r"|(?:电话|電話|手机|手機|携帯|전화|휴대폰|телефон|тел|звоните|هاتف|جوال|טלפון|โทร)[^\d\n+]{0,20}$"
    r"|(?:^|[\n|,;] ?)(?:[TMFP][.:]|Ph[.:]?) ?$"
)
_AFTER = re.compile(
    r"(?i:,? (?:is|was) (?:my|his|her|our|the)(?: (?:new|old|best|work|home|private|direct|office)){0,2}"
    r" (?:mobile|cell|phone|fax|handy|telephone|landline|number)"
    r"|,? ?\((?:mobile|cell|phone|fax|handy|mobil|home|work|office|tel\.?|m|h|w)\))(?![a-z])"
)
_OF_SOMETHING = re.compile(
    r"(?<![A-Za-z])(?i:order|invoice|inv|ticket|case|claim|booking|confirmation|ref|reference|tracking|parcel"
    r"|serial|s/n|sn|sku|part|item|lot|batch|model|isbn|issn|ean|upc|po|account|acct|acc|policy|licen[cs]e|passport"
    r"|nhs|member|patient|student|employee|id|uid|konto\w*|bestell\w*|rechnung\w*|auftrag\w*|kunden\w*|artikel\w*"
    r"|vorgang\w*|commande|facture|numéro de suivi|pedido|factura|ordine|fattura|prescription|contract)"
    r"(?i:[ _-]?(?:no|nr|nº|n°|num|number|nummer|id))?[ .:#=\"'-]{0,4}$"
)


def is_named(view: str, start: int, end: int) -> bool:
    """Whether a word before or after the digits calls them a telephone number."""
    return bool(_BEFORE.search(view[max(0, start - _WINDOW) : start]) or _AFTER.match(view, end))


def counts_something(view: str, start: int) -> bool:
    """Whether the word before the digits calls them something else, as 'order' or 'Rechnung' do."""
    return bool(_OF_SOMETHING.search(view[max(0, start - 32) : start]))
