"""Short lists of words that stand around and inside names, places and organisations; folded, states in capitals."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

__all__ = [
    "ABOUT_ORGANISATION", "AFTER_PERSON", "BEFORE_ORGANISATION", "BEFORE_PERSON", "BEFORE_PLACE", "CALENDAR",
    "FIELD_OF_ORGANISATION", "FIELD_OF_PERSON", "FIELD_OF_PLACE", "GENERATION", "GREETING", "INTRODUCTION", "KIN",
    "LEGAL_FORM", "LOWER_INTRODUCTION", "LOWER_PREPOSITION", "LOWER_TITLE", "ORGANISATION_TYPE", "PARTICLE",
    "PLACE_ENDING", "PLACE_PREFIX", "PROVINCE", "SPEECH", "SURNAME_ENDING", "TITLE", "US_STATE", "US_TERRITORY",
    "WEAK_PLACE", "WORD_GIVEN", "WORK",
]  # fmt: skip


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


def _phrases(phrases: str) -> frozenset[str]:
    return frozenset(" ".join(phrase.split()) for phrase in phrases.split(","))


# --- Persons ------------------------------------------------------------------------------------------

TITLE = _set(
    """mr mrs ms miss mx dr prof professor doctor sir madam madame lord lady dame rev reverend fr father sister sgt
    sergeant lt lieutenant capt captain col colonel maj major gen general judge justice sen senator rep congressman
    president chancellor minister governor mayor king queen prince princess pope saint nurse officer detective agent
    inspector herr frau hr fru monsieur mme mlle senor senora senorita sr sra srta don dona signor signora sig dott
    ing mag mgr pan pani meneer mevrouw dhr mw sayin shri smt kumari sheikh haji"""
)
WORD_GIVEN = _set(
    """ace angel april art autumn bill billy blessing buck buddy candy charity chase cherish cherry chip christian chuck
    clay cliff crystal daisy dawn destiny diamond dick don drew faith forest foster frank gay gene ginger grace grant
    guy heaven hope hunter jan jesus jewel joy june kit lily love lucky mark max mercy miles nick olive page patience
    penny precious ray rich rob rock rod rose skip sky star sue summer sunny teddy van ward will winter"""
)
GENERATION = _set("jr sr ii iii iv phd md esq")
PARTICLE = _set(
    """van von der den de del della di da do dos das du la le las los bin binti ibn ben al el ul zu zur y e ter ten te
    af av o nad sur u an am im"""
)
INTRODUCTION = _phrases(
    """name is, name's, names is, am, i'm, im, this is, it's, call me, called, named, name him, named her, me, is,
    known as, name to, change it to, it to, goes by, speak to, speak with, talk to, talk with, regards, sincerely,
    signed, attn"""
) - {"is", "me", "am"} | {"i am", "calls me", "call me", "call him", "call her"}
GREETING = _set(
    "dear hi hello hey thanks goodbye bye welcome regards sincerely cheers bonjour hola ciao hallo liebe lieber"
)
KIN = _set(
    """aunt uncle cousin brother sister mother father mom dad wife husband son daughter kid child partner friend
    colleague boss neighbour neighbor grandmother grandfather fiance fiancee boyfriend girlfriend patient client
    customer guardian actor actress singer songwriter producer director player author writer founder artist painter
    musician guitarist drummer poet novelist journalist reporter commenter lawyer attorney physician surgeon teacher
    coach engineer ceo cfo cto chairman chairwoman spokesman spokeswoman spokesperson secretary manager assistant
    witness victim suspect defendant plaintiff driver pilot applicant candidate employee mr"""
)
BEFORE_PERSON = _set(
    """by with said says asked told tell ask met meet contact invite add between against thank thanks visited
    saw see heard loves love married marry remember for and from about told was than because but if when why is are
    did does has have who give gave given asks told love"""
)
SPEECH = _set(
    """said says say asked asks told tells replied cried answered explained explains noted notes added
    writes wrote claimed claims announced argues argued thinks thought believes believed laughed smiled points
    whispered insists insisted admitted"""
)
AFTER_PERSON = _set(
    """is was has had will would can could lives lived works worked moved went came arrived began became got
    did does sang played plays born listed told married died loves loved wants wanted needs needed made took left
    gave given joined called calls met sent knows knew felt spoke who whose and speaks employs turned just
    spent started just were are visited bought sold bring brought runs ran reports presents presented"""
)
WORK = _set(
    """book concert song album film movie painting biography family estate residence interview speech
    lecture"""
)
FIELD_OF_PERSON = _set(
    """name patient user customer client contact from to cc bcc author signed attn attention employee nurse doctor
    physician applicant beneficiary holder owner surname nom nombre nome naam navn namn imie directed by cast
    starring"""
)
SURNAME_ENDING = (
    "ova", "ova", "eva", "ska", "ski", "sky", "skaya", "cki", "cka", "wicz", "vich", "vic", "vic", "evic", "ovic", "ic",
    "enko", "chuk", "yan", "ian", "dze", "shvili", "idis", "poulos", "akis", "oglu", "nen", "sson", "sdottir", "dottir",
    "sen", "ov", "ev", "ev", "in", "ina", "ez", "es", "escu", "eanu", "elli", "etti", "ini", "ucci", "ard", "eau",
    "mann", "stein", "mayer", "meier", "huber", "quist", "kvist", "strom", "gren", "lund", "berg",
)  # fmt: skip

# --- Places -------------------------------------------------------------------------------------------

BEFORE_PLACE = _phrases(
    """in, near, visit, visiting, visited, around, across, throughout, outside, inside, toward, towards,
    city of, town of, village of, state of, county of, province of, capital of, republic of, university of, island of,
    lives in, live in, lived in, living in, born in, based in, located in, grew up in, moved to, moved from,
    move to, travel to, travelling to, traveling to, flew to, fly to, went to, go to, going to, drive to, trip to,
    returned to, return to, arrived at, arrived in, here from, originally from, came from, come from, comes from,
    is from, am from, i'm from, native of, resident of, citizen of, mayor of, people of, south of, north of, east of,
    west of, flights to, shipped to"""
)
WEAK_PLACE = _set("at to from of via into southern northern eastern western central greater downtown")
PLACE_PREFIX = _set(
    """san santa sao st saint fort port mount mt los las el new north south east west upper lower bad villa ville
    sankt nova novi novy stara velke greater lake cape cite quinta barra puerto porto playa rio"""
)
PLACE_ENDING = (
    "ville", "burg", "burgh", "borough", "bury", "grad", "gorod", "stad", "stadt", "dorf", "heim", "hausen", "ford",
    "mouth", "abad", "pur", "pura", "puram", "wick", "vik", "koping", "sund", "vagur", "polis", "maa", "mae", "kula",
    "jarvi", "fjord", "fjordur", "eyri", "hreppur", "nes", "stadir", "foss", "hus", "by", "ham", "shire", "ton", "town",
    "field", "haven", "hafen", "ingen", "ow", "itz", "ice", "any", "hely", "falva", "major", "haza", "land", "stan",
    "ia", "holm", "vall", "sele", "minde", "rup", "lev", "wil", "kon", "ens", "igny", "ac", "court", "koski",
    "lahti", "niemi", "saari", "salmi", "kyla", "o", "berga", "hult", "rum", "as",
)  # fmt: skip
US_STATE = _set(
    """AL AK AZ AR CA CO CT DE DC FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR
    PA RI SC SD TN TX UT VT VA WA WV WI WY"""
)
US_TERRITORY = _set("PR GU VI AS MP AA AE AP")
PROVINCE = _set("AB BC MB NB NL NS ON PE QC SK NSW VIC QLD TAS")
FIELD_OF_PLACE = _set(
    "city town country place birthplace state county region where location destination venue ort stadt ville ciudad"
)

# --- Organisations ------------------------------------------------------------------------------------

LEGAL_FORM = _set(
    """inc incorporated ltd limited llc llp plc corp corporation co company gmbh ag kg ohg ug se sa sas sarl spa srl bv
    nv oy oyj ab as asa aps kft zrt nyrt sro doo pty pvt kk lp group holding holdings"""
)
ORGANISATION_TYPE = _set(
    """bank university hospital clinic college school institute foundation association society ministry department
    agency authority council committee commission board office bureau union federation league club museum library
    church orchestra band solutions software systems technologies technology services consulting consultants partners
    associates analytics networks network media pictures studios studio records press publishing publishers
    laboratories labs pharmaceuticals pharma industries enterprises international airlines airways insurance
    financial capital ventures investments securities trust fund stores markets supermarket restaurant hotel
    motors electronics telecom communications energy supercomputing robotics logistics corps force army navy police
    court parliament senate congress party times post herald gazette tribune weekly magazine
    universitat universite universidad universita universidade krankenhaus klinik hopital gesellschaft stiftung verein
    sparkasse banca banco banque"""
)
BEFORE_ORGANISATION = _phrases(
    """work for, works for, worked for, working for, work at, works at, worked at, working at, job at, employed by,
    employed at, hired by, joined, join, ceo of, founder of, director of, chairman of, head of, manager of,
    employee of, employees of, client of, customer of, shares of, shares in, acquired, acquired by, company, firm,
    brand, startup, owned by, made by, manufactured by, published by, year at, intern at, internship at,
    position at, resigned from, resignation from, retired from, office of, owner of, co-founder of,
    account with, account at, insured by, insurance from, sponsored by, meet at"""
)
ABOUT_ORGANISATION = _set(
    """company agency bank firm office corporation startup brand business organisation organization charity nonprofit
    manufacturer retailer provider employees employee shareholders shares stock headquarters website app
    platform software resignation ceo store stores branch hospital merged acquired announced launched filed
    group team orchestra"""
)
FIELD_OF_ORGANISATION = _set(
    "company employer organisation organization firm hospital clinic bank school university insurer firma"
)

# --- Before a name without capitals -----------------------------------------------------------------------

LOWER_INTRODUCTION = frozenset({"is", "me", "named", "called", "name's", "i'm", "this"})
LOWER_TITLE = frozenset({"mr", "mrs", "ms", "dr", "prof", "miss", "dear", "aunt", "uncle"})
LOWER_PREPOSITION = frozenset({"in", "from", "to", "near", "visit", "visiting", "leaving"})

# --- No names -----------------------------------------------------------------------------------------

CALENDAR = _set(
    """monday tuesday wednesday thursday friday saturday sunday january february march april may june july august
    september october november december jan feb mar apr jun jul aug sep sept oct nov dec mon tue wed thu fri sat sun
    christmas easter english spanish french german italian portuguese dutch russian chinese japanese korean arabic
    american british canadian australian european african asian indian mexican swedish norwegian danish finnish polish
    czech hungarian greek turkish irish scottish welsh swiss austrian belgian brazilian god jesus internet i i'm i'd
    i've i'll ok bot iban ssn zip id cc url ip pin atm sql dob vin isbn faq usa uk eu api pdf re fw fwd"""
)
