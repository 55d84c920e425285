"""Which texts mean a seizure."""

import pytest
from hypothesis import given, strategies as st

from aura.annotations import vocabulary
from aura.annotations.vocabulary import (
    ALONE,
    CODES,
    NOT,
    TERMS,
    code,
    hed,
    is_ignored,
    label_of,
    meaning_of,
)


@pytest.fixture
def own():
    """Use own words; forget them after the test."""
    yield vocabulary.use
    vocabulary.use("")


@pytest.mark.parametrize("text, label", [
    ("seiz", "sz"), (" SZ ", "sz"), ("sz_foc_ia", "sz_foc_ia"),
    ("sz_gen_m_tonicClonic", "sz_gen_m_tonicclonic"), ("FNSZ", "sz_foc"),
    ("bckg", "bckg"), ("impd", "impd"), ("Seizure 1", "sz"),
    ("Sz #1", "sz"), ("Sz1", "sz"), ("seizure_3", "sz"),
    ("Focal seizure", "sz_foc"), ("focal-onset seizure", "sz_foc"),
    ("FIAS", "sz_foc_ia"), ("FAS 2", "sz_foc_a"), ("FBTCS", "sz_foc_f2b"),
    ("GTCS", "sz_gen_m_tonicclonic"), ("TCS", "sz"), ("Anfall", "sz"),
    ("Krampfanfall", "sz"), ("Anf\u00e4lle", "sz"),
    ("fokaler Anfall", "sz_foc"), ("Crisis epil\u00e9ptica", "sz"),
    ("CRISIS EPILE\u0301PTICA", "sz"), ("Crise 1", "sz"),
    ("crise d'\u00e9pilepsie", "sz"), ("ictal", "sz"), ("EEG onset", "sz"),
    ("Absence", "sz_gen_nm"), ("status epilepticus", "sz"),
    ("Focal preserved consciousness seizure", "sz_foc_a"),
    ("Focal-to-bilateral tonic-clonic seizure", "sz_foc_f2b"),
    ("Impaired-awareness-focal-onset-epileptic-seizure", "sz_foc_ia"),
    ("Focal non-motor seizure", "sz"), ("nonconvulsive seizure", "sz"),
    ("Seizure, no movement", "sz"),
    ("EEG seizure without clinical signs", "sz"),
    ("10:21 pt had a 2nd seizure, left arm", "sz"),
    ("Focal tonic", "sz_foc"), ("z\u00e1chvaty", "sz"),
    ("napady", "sz"), ("n\u00f6beti 2", "sz"), ("Seizure: 1", "sz"),
    ("Anfalls 2", "sz"), ("crise sans perte de connaissance", "sz")])
def test_texts_that_mean_a_seizure(text, label):
    assert label_of(text) == label


@pytest.mark.parametrize("text", [
    "no seizure", "No clinical seizure", "NoSeizure", "sz_no", "no sz",
    "Seizures: none", "Seizure - no", "post-seizure", "postictal",
    "post-ictal", "interictal", "inter-ictal", "preictal", "seizure free",
    "kein Anfall", "anfallsfrei", "nicht epileptischer Anfall", "PNES",
    "Seizure-PNES", "non-epileptic seizure", "psychogenic seizure",
    "pseudoseizure", "pas de crise", "crise de panique", "sin crisis",
    "crisis no epil\u00e9ptica", "ikke et anfald", "inte anfall",
    "uden anfald", "anfallsfri", "niega crisis", "livre de crises",
    "n\u00f6bet yok",
    "ei kohtausta", "bez z\u00e1chvatu", "brak napadu", "tidak kejang",
    "crisis psic\u00f3gena", "crise n\u00e3o epil\u00e9ptica",
    "crisi non epilettica", "no seizure, no spikes", "seizure protocol",
    "Seizure medication",
    "seizure precautions", "Anfallsmedikation", "Lights off", "",
    "Start", "End", "Notfall", "Schlaganfall", "focal slowing", "aura",
    "3 cps spike wave", "recording start", "Focal onset",
    "functional seizure", "crise cardiaque", "Crisis hipertensiva"])
def test_texts_that_mean_none(text):
    assert not meaning_of(text).doubtful
    assert label_of(text) == "other"


@pytest.mark.parametrize("text", [
    "seizure?", "? sz", "possible seizure", "v.a. Anfall", "r/o seizure",
    "Verdacht auf Anfall", "posible crisis", "crise ?", "sz vs artifact",
    "seizure-like event", "Seizure button", "Persyst seizure detection",
    "after seizure", "Seizure, no post-ictal confusion", "last seizure",
    "Absence of seizures", "no evidence of any seizure", "neg sz",
    "kein Hinweis auf Anfall", "seizure did not occur", "Unlikely seizure",
    "not a real clinical seizure", "artifact mimicking seizure",
    "no response, seizure", "not responding seizure", "Seizures: 0",
    "seizure = -", "never had any seizure", "isn't a seizure",
    "crise suspeita", "m\u00f6gl. Anfall", "mock seizure",
    "Lorazepam given for seizure", "Anfallssuspekt", "Anfall (fragl.)"])
def test_texts_that_a_person_has_to_decide_on(text):
    assert meaning_of(text).doubtful
    assert label_of(text) == "other"


@pytest.mark.parametrize("text", [
    "Siezure 2", "seizre", "SEISURE", "Anfal links", "Krampfanfahl", "PSZ",
    "szx", "crysis", "convultion",
    "\u043f\u0440\u0438\u0441\u0442\u0443\u043f",
    "\u53d1\u4f5c 1", "\xef\xf0\xe8\xf1\xf2\xf3\xef", "???", "pt seizing",
    "Patient event", "push button", "subseizures", "spell"])
def test_a_text_that_may_mean_a_seizure_is_no_note(text):
    assert meaning_of(text).doubtful


@pytest.mark.parametrize("text", [
    "eyes open", "Movement", "A1+A2 OFF", "photic 10 Hz", "HV start",
    "Sleep stage R", "Sleep stage ?", "Movement time", "arousal", "N2",
    "SpO2 Abfall", "100 \xb5V", "\u03b1 rhythm", "artifact T3", "(AFIB",
    "secured electrode", "patient cries", "no siezure", "siezure free",
    "lead off", "K-complex", "spike wave", "background 10 Hz", "coughing"])
def test_notes_of_technicians_bar_no_recording(text):
    assert meaning_of(text) == vocabulary.Meaning()


@given(st.sampled_from(["seizure", "krampfanfall", "convulsion"]),
       st.integers(0, 6), st.sampled_from("aexz"), st.integers(0, 3))
def test_a_term_with_one_wrong_letter_is_never_a_note(
        term, at, letter, change):
    wrong = (term[:at] + (letter, "", letter + term[at],
                          term[at + 1:at + 2] + term[at])[change]
             + term[at + (2 if change == 3 else 1):])
    meaning = meaning_of(wrong)
    assert meaning.doubtful or meaning.label == "sz"


@pytest.mark.parametrize("text, label, side", [
    ("FNSZ 1", "sz_foc", ""), ("bckg 1", "bckg", ""), ("SZON", "sz", "begin"),
    ("szoff 2", "other", "end"), ("Ende des Anfalls", "other", "end"),
    ("konec z\u00e1chvatu", "other", "end"),
    ("Seizure resolved", "other", "end"),
    ("po\u010detak napada", "sz", "begin"), ("Sz off 2", "other", "end"),
    ("CPSZ left", "sz_foc_ia", ""), ("SEIZUREEND", "other", "end"),
    ("EEGonset", "sz", "begin")])
def test_codes_and_words_without_a_space_are_read(text, label, side):
    meaning = meaning_of(text)
    assert (meaning.label, meaning.side) == (label, side)


def phrases(table):
    """The phrases of a table, with letters for its `*`."""
    return [phrase.strip().replace("*", "s") for phrase in table.split(",")]


@pytest.mark.parametrize("term", [
    term for table in (TERMS, ALONE) for listed in table.values()
    for term in phrases(listed) if "offset" not in term])
def test_each_term_is_a_seizure_in_any_case_with_a_number(term):
    for text in (term, term.upper(), f"{term.title()} 12", f"{term}_1"):
        assert label_of(text).startswith("sz"), text


@pytest.mark.parametrize("phrase", [
    phrase for phrase in phrases(NOT["none"]) if "~" in phrase])
@pytest.mark.parametrize("term", ["seizure", "Sz", "Anfall"])
def test_no_seizure_of_the_table_is_one(phrase, term):
    text = phrase.replace("+ ", "").replace("~", term).replace("$", "")
    assert label_of(text) == "other"


@given(st.sampled_from(["no ", "possible ", "post-", "kein ", "pas de "]),
       st.sampled_from(["seizure", "Anfall", "crise", "FBTCS", "SZ"]),
       st.sampled_from(["", " 1", " #3", ".", " (EEG)"]))
def test_no_text_with_a_denial_is_a_seizure(denial, term, after):
    assert label_of(denial + term + after) == "other"


@given(st.text(max_size=40))
def test_any_text_has_a_meaning_and_its_translation_the_same(text):
    meaning = meaning_of(text)
    assert not (meaning.doubtful and meaning.label != "other")
    if meaning.label.startswith("sz"):
        assert label_of(hed(text)) == meaning.label
        assert label_of(code(text)).startswith("sz")


def test_names_and_codes_are_translated_both_ways():
    for short, name in CODES.items():
        assert (hed(short.upper()), code(name)) == (name, short)
    assert (hed("GTCS"), code("GTCS")) == ("sz_gen_m_tonicClonic", "tcsz")


def test_own_words_mean_a_seizure(own):
    assert label_of("Ereignis A 3") == "other"
    own("Ereignis A, typ*spell,!Sz-Liste,!lights *, , #,!,*")
    for text in ("Ereignis A 3", "EREIGNIS_A", "typicalspell 2"):
        assert label_of(text) == "sz"
    assert meaning_of("Ereigniss A").doubtful is False
    own("\u043f\u0440\u0438\u0441\u0442\u0443\u043f")
    assert not meaning_of("\u0433\u043b\u0430\u0437\u0430").doubtful
    own("Ereignis A, typ*spell,!Sz-Liste,!lights *, , #,!,*")
    for text in ("kein Ereignis A", "typical spell", "*"):
        assert label_of(text) == "other"
    assert meaning_of("Ereignis A Ende").side == "end"
    assert [is_ignored(text) for text in (
        "Sz Liste", "Lights off", "lights", "seizure")] == [
            True, True, False, False]
