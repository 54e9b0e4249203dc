"""The word before a number that says what the number is: "passport no.", "MRN:", "call me at"."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from enum import Enum, auto

from unseen.deid.detect.recogniser import BREAK

__all__ = ["Label", "announces", "label_before", "last_words", "nearby_label"]

REACH = 9
"""How many words before a number may hold its label."""

CLOSE = 4
"""How many words before a number may hold a label that speaks against what the number looks like."""


class Label(Enum):
    """What a label word announces."""

    PHONE = auto()
    FAX = auto()
    SSN = auto()
    NATIONAL_ID = auto()
    TAX_ID = auto()
    PASSPORT = auto()
    DRIVER = auto()
    PROFESSION = auto()
    MEDICAL_RECORD = auto()
    HEALTH_PLAN = auto()
    ACCOUNT = auto()
    CARD = auto()
    IBAN = auto()
    VEHICLE = auto()
    PLATE = auto()
    IMEI = auto()
    DEVICE = auto()
    POSTCODE = auto()
    DATE = auto()
    AGE = auto()
    ADDRESS = auto()
    WALLET = auto()
    NUMBER = auto()
    OTHER = auto()


# Words and word pairs, lower case. OTHER marks numbers that people label but that point at nobody.
_WORDS = {
    Label.PHONE: "phone phones telephone tel telefon téléphone telefono teléfono telefone telefoon puhelin"
    " telefonnummer"
    " telefonszám mobile mobil móvil celular cell cellphone cellulare handy gsm portable landline desk hotline helpline"
    " call calls called calling dial dialed ring text texted sms messages whatsapp viber voicemail reach answering"
    " anrufen rückruf appeler llamar contact reached texting calling phoned",
    Label.FAX: "fax telefax faks",
    Label.SSN: "ssn ssns|social security|soc sec|ss number|ss no",
    Label.NATIONAL_ID: "nino nif nie dni cpf curp bsn burgerservicenummer personnummer personnumer personnr"
    " fødselsnummer fodselsnummer cpr hetu henkilötunnus pesel pps ppsn nric aadhaar aadhar amka egn cnp"
    " oib jmbg emso emšo kennitala isikukood asmenskods tckn ahv avs nir insee numéro rodne rodné nhs"
    " personalausweis ausweisnummer idnr|national id|national identity|national insurance|identity card|id card"
    "|identity number|id number|social insurance|sin number|sin no"
    "|rut number|pan number|codice fiscale|personal code|personal number|resident registration"
    "|citizen id|carte vitale|numero de sécurité|sécurité sociale",
    Label.TAX_ID: "tin itin ein utr steuernummer vat|steuer id|tax id|tax number|taxpayer id|tax identification"
    "|taxpayer identification|employer identification",
    Label.PASSPORT: "passport passports passeport reisepass pasaporte passaporto passaporte paspoort|pass nr",
    Label.DRIVER: "dl führerschein führerscheinnummer rijbewijs körkort kørekort patente"
    " permis|driver license|driver licence|drivers license|drivers licence|driving licence|driving license",
    Label.PROFESSION: "npi dea|s license|s licence|medical license|medical licence"
    "|license number|licence number|license no|licence no"
    "|certificate number|certificate no|license #|bar number|registration number",
    Label.MEDICAL_RECORD: "mrn mrns medrec patientennummer|medical record|med rec|record number|patient id"
    "|patient number|patient no|hospital number|hospital no|chart number|chart no|unit number|case number",
    Label.HEALTH_PLAN: "medicare medicaid mbi hicn beneficiary subscriber krankenversicherungsnummer"
    " versichertennummer|health plan|member id|member number|member no|policy number|policy no|group number"
    "|insurance id|insurance number|insurance no|plan number|health card|ehic number",
    Label.ACCOUNT: "account accounts acct kontonummer konto compte cuenta conto rekening routing aba bic swift bsb"
    "|sort code|a c|customer number|customer id|customer no|account number|loan number|bank account",
    Label.CARD: "card cards creditcard cc visa mastercard amex maestro kreditkarte carte tarjeta|credit card|debit card"
    "|card number",
    Label.IBAN: "iban",
    Label.VEHICLE: "vin chassis fahrgestellnummer|vehicle identification|vehicle id",
    Label.PLATE: "plate plates kennzeichen immatriculation matrícula targa kenteken registreringsnummer numberplate"
    "|license plate|licence plate|number plate|plate number|vehicle registration|registration plate|license tag",
    Label.IMEI: "imei imeisv",
    Label.DEVICE: "serial sn udi udid deviceid meid esn iccid imsi|s n|serial number|serial no|device id"
    "|device identifier|device number|implant id|pacemaker id",
    Label.POSTCODE: "zip zipcode postcode postcodes plz postleitzahl cep|postal code|post code|zip code|code postal"
    "|código postal",
    Label.DATE: "date dates dated dob born birthday birthdate birth geboren geburtsdatum né née nacido nata nato"
    " datum fecha data admitted discharged died deceased death visit visited expires expiry since",
    Label.AGE: "age aged ages alter âge edad età",
    Label.ADDRESS: "address addresses adresse dirección indirizzo adres lives living residing street",
    Label.WALLET: "bitcoin btc ethereum eth wallet litecoin ltc",
    Label.NUMBER: "number numbers no nr num numéro número numero nummer",
    Label.OTHER: "order invoice ticket version isbn issn ean sku upc doi rfc iso article section chapter page pages"
    " figure table step bestellnummer rechnung rechnungsnummer|part number"
    "|tracking number|order number|invoice number|reference number|model number|error code|build number",
}

# Words are compared as UTF-8: bytes are cleaned of punctuation six times faster than a str.
_SINGLE: dict[bytes, Label] = {
    word.encode(): label for label, listing in _WORDS.items() for word in listing.split("|")[0].split()
}
_PAIRS: dict[bytes, dict[bytes, Label]] = {}
for _label, _listing in _WORDS.items():
    for _pair in _listing.split("|")[1:]:
        _former, _, _latter = _pair.encode().partition(b" ")
        _PAIRS.setdefault(_latter, {})[_former] = _label
_TELLING = frozenset(_SINGLE) | frozenset(_PAIRS)
_MARKS = b"=:;,.'()[]{}<>|&/?!*_-\"#\0"
_CLEAN = bytes.maketrans(_MARKS, b" " * len(_MARKS))


def _window(text: str, start: int, count: int) -> list[bytes]:
    window = text[start - 9 * count if start > 9 * count else 0 : start]
    if BREAK in window:
        window = window[window.rindex(BREAK) :]
    return window.lower().encode(errors="ignore").translate(_CLEAN).split()[-count:]


def last_words(text: str, start: int, count: int = REACH) -> list[str]:
    """The last words before `start` in its own text, lower case, in their order, without punctuation.

    Args:
        text: the batch.
        start: where the number begins.
        count: how many words at most.
    """
    return [word.decode() for word in _window(text, start, count)]


def label_before(text: str, start: int, reach: int = REACH) -> Label | None:
    """What the nearest label before `start` announces; a word pair goes before its last word.

    `Label.NUMBER` only if no other says more.

    Args:
        text: the batch.
        start: where the number begins.
        reach: how many words before it may hold the label.
    """
    words = _window(text, start, reach + 1)
    if _TELLING.isdisjoint(words):
        return None
    vague: Label | None = None
    for index in range(len(words) - 1, max(-1, len(words) - 1 - reach), -1):
        word = words[index]
        label = _SINGLE.get(word)
        if index and word in _PAIRS:
            label = _PAIRS[word].get(words[index - 1], label)
        if label is Label.NUMBER:
            vague = label
        elif label is not None:
            return _precise(label, words[max(0, index - 3) : index])
    return vague


def announces(word: str) -> bool:
    """Whether a word is, or ends, a label."""
    return word.lower().encode(errors="ignore") in _TELLING


def nearby_label(text: str, start: int, sought: frozenset[Label]) -> Label | None:
    """A label as sought up to `REACH` words before; failing that any other label, which only counts close by."""
    label = label_before(text, start)
    return label if label is None or label in sought else label_before(text, start, CLOSE)


def _precise(label: Label, earlier: list[bytes]) -> Label:
    """The label of a "licence number" by the words before it."""
    if label is Label.PROFESSION:
        if any(word.startswith(b"driv") for word in earlier):
            return Label.DRIVER
        if any(word in (b"plate", b"vehicle", b"car") for word in earlier):
            return Label.PLATE
    return label
