"""Classifiers of users, beside the detectors of the table."""

import json

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

import aura
from aura.ecg import features
from aura.errors import InvalidInputError
from aura.evaluation import classifiers, detectors, study
from tests.evaluation.test_evaluate import evaluate


@pytest.fixture(scope="module")
def nights():
    return [aura.simulate(900, seizures=[(500, 60)], seed=n, patient=f"p{n}")
            for n in (1, 2, 3)]


@pytest.fixture(autouse=True)
def one_row(monkeypatch, few_trees):
    monkeypatch.setattr(study, "DETECTORS", detectors.DETECTORS[-1:])
    monkeypatch.setattr(detectors, "DETECTORS", detectors.DETECTORS[-1:])


@pytest.mark.parametrize("made", [
    ExtraTreesClassifier(5), LinearSVC(),
    make_pipeline(StandardScaler(), LogisticRegression())])
def test_a_classifier_gets_a_row_and_changes_no_other(nights, made):
    first = aura.evaluate(nights, detectors={"mine": made})
    again = aura.evaluate(nights, detectors={"mine": made})
    assert json.dumps(first) == json.dumps(again)
    *others, mine = first["detectors"]
    assert others == aura.evaluate(nights)["detectors"]
    assert mine["key"] == "mine"
    assert mine["rounds"][0]["everybody"]["seizures"] == 3
    assert not hasattr(made, "classes_")


class Watched(ExtraTreesClassifier):
    shapes = set()

    def fit(self, X, y, sample_weight=None):
        self.shapes.add(X.shape[1])
        assert set(y) == {0, 1} and len(set(sample_weight)) > 1
        return super().fit(X, y, sample_weight)


def test_a_classifier_sees_all_features_with_weights(nights):
    aura.evaluate(nights, detectors={"mine": Watched(3)})
    assert Watched.shapes == {len(features.NAMES)}


class Odd(ExtraTreesClassifier):
    answer = np.nan

    def predict_proba(self, X):
        return np.full((len(X), 2), self.answer)[:, :int(
            np.nan_to_num(self.answer, nan=2))]


class OneColumn(Odd):
    answer = 1.0


@pytest.mark.parametrize("made", [
    Odd(3), OneColumn(3), object(), LogisticRegression(C=-1)])
def test_a_classifier_that_does_not_classify_is_refused(
        nights, made):
    with pytest.raises(InvalidInputError) as caught:
        aura.evaluate(nights, detectors={"mine": made})
    assert caught.value.rule == "evaluate.detector"
    assert "mine" in caught.value.text


@pytest.mark.parametrize("key", ["forest", "", "a b", "rule\n"])
def test_a_name_of_the_table_or_no_name_is_refused(key):
    with pytest.raises(InvalidInputError):
        classifiers.of_classifier(key, ExtraTreesClassifier())


@pytest.mark.parametrize("text", [
    "mine", "mine=", "mine=nowhere:make", "mine=os:nothing", "mine=os:path",
    "mine=sklearn.ensemble", "=sklearn.ensemble:ExtraTreesClassifier"])
def test_a_factory_that_cannot_be_found_is_refused(text):
    with pytest.raises(InvalidInputError) as caught:
        classifiers.named(text)
    assert caught.value.rule == "evaluate.detector"


def test_the_command_takes_a_factory_of_the_current_folder(
        recordings, tmp_path, monkeypatch, capsys):
    (tmp_path / "my_detectors.py").write_text(
        "from sklearn.ensemble import ExtraTreesClassifier\n"
        "def trees():\n    return ExtraTreesClassifier(5)\n")
    monkeypatch.chdir(tmp_path)
    assert evaluate(
        recordings, "--no-pictures", "--out", tmp_path / "out", "--detector",
        "mine=my_detectors:trees", "--detector",
        "plain=sklearn.ensemble:ExtraTreesClassifier") == 0
    report = json.loads((tmp_path / "out/report.json").read_bytes())
    assert [one["key"] for one in report["detectors"]] == [
        "forest", "mine", "plain"]
    assert "mine (ExtraTreesClassifier)" in capsys.readouterr().out
