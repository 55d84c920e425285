"""Grafana's dashboards as they are committed, without a Grafana."""

import itertools
import json
import re
from pathlib import Path

import pytest
import yaml
from grafana_foundation_sdk.cog import plugins, runtime
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from aura.influx import schema
from grafana import __main__ as command, flux, panels
from tests.dashboards import PAGES, REVIEW, everything, panel, questions

ROOT = Path(__file__).parents[2]
GRAFANA = ROOT / "grafana"
for_each_page = pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)


def test_the_committed_dashboards_are_what_the_script_writes(capsys):
    assert command.main(["--check"]) == 0
    assert capsys.readouterr().out == ""


def test_an_edited_or_foreign_file_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "FOLDER", tmp_path)
    assert command.main(["--check"]) == 1
    assert command.main([]) == 0
    assert command.main(["--check"]) == 0
    path = tmp_path / "recording-review.json"
    path.write_text(path.read_text("utf-8").replace("0072B2", "ff0000"))
    (tmp_path / "mine.json").write_text("{}")
    capsys.readouterr()
    assert command.main(["--check"]) == 1
    said = capsys.readouterr().out
    assert "recording-review.json: outdated" in said
    assert "mine.json" in said and "model-and-cohort" not in said


@for_each_page
def test_grafanas_schema_knows_every_key(page):
    plugins.register_default_plugins()
    runtime.register_dataquery_variant(runtime.DataqueryConfig(
        panels.SOURCE_TYPE, panels.FluxQuery.from_json))
    read = json.loads(json.dumps(Dashboard.from_json(page), cls=JSONEncoder))
    mine = json.loads(json.dumps(page))
    for one in itertools.chain(
            mine["annotations"].get("list", ()),
            read["annotations"].get("list", ())):
        # The schema has the target of its own annotations only.
        target = one.pop("target")
        assert not target.keys() - {
            "refId", "query", "datasource", "limit", "matchAny", "tags",
            "type"}
    assert read == mine


@for_each_page
def test_panels_fill_the_width_and_never_overlap(page):
    taken = {}
    for one in page["panels"]:
        place = one["gridPos"]
        assert place["w"] > 0 and place["h"] > 0
        assert place["x"] + place["w"] <= panels.WIDTH
        for cell in itertools.product(
                range(place["x"], place["x"] + place["w"]),
                range(place["y"], place["y"] + place["h"])):
            assert cell not in taken, (one["id"], taken[cell])
            taken[cell] = one["id"]
    height = max(y for _, y in taken) + 1
    assert len(taken) == height * panels.WIDTH
    numbers = [one["id"] for one in page["panels"]]
    assert len(set(numbers)) == len(numbers)


@for_each_page
def test_every_panel_says_what_it_shows_and_when_it_shows_nothing(page):
    for one in page["panels"]:
        if one["type"] == "text":
            # The mark of a description would cover the first letter.
            assert "description" not in one and "title" not in one
        else:
            assert one["description"].endswith("."), one["id"]
            assert one["title"]
            assert one["fieldConfig"]["defaults"]["noValue"]
    first = page["panels"][0]
    assert panels.NOTICE in first["options"]["content"]
    assert first["gridPos"]["y"] == 0
    assert panels.NOTICE in page["description"]


@for_each_page
def test_all_questions_go_to_the_provisioned_source(page):
    source, = yaml.safe_load((
        GRAFANA / "provisioning/datasources/influxdb.yaml"
    ).read_text("utf-8"))["datasources"]
    named = {json.dumps(node["datasource"], sort_keys=True)
             for node in everything(page) if "datasource" in node}
    assert named == {json.dumps(
        {"type": source["type"], "uid": source["uid"]}, sort_keys=True)}
    assert source["jsonData"]["version"] == "Flux"
    assert source["access"] == "proxy" and not source["editable"]


def test_links_lead_to_dashboards_that_exist():
    known = {page["uid"] for page in PAGES.values()}
    assert len(known) == len(PAGES)
    urls = [node["url"] for page in PAGES.values()
            for node in everything(page) if node.get("url")]
    assert len(urls) == 7
    for url in urls:
        assert re.match("/d/([a-z-]+)/", url)[1] in known
    variables = {page["uid"]: {one["name"]
                               for one in page["templating"]["list"]}
                 for page in PAGES.values()}
    for url in urls:
        uid = re.match("/d/([a-z-]+)/", url)[1]
        assert set(re.findall("var-([a-z]+)=", url)) <= variables[uid]


@for_each_page
def test_a_link_takes_columns_that_its_panel_keeps(page):
    for one in page["panels"]:
        used = {name for node in everything(one) if "url" in node
                for name in re.findall(
                    r"__data\.fields\.(\w+)", node["url"])}
        kept = {name for step in one.get("transformations", ())
                if step["id"] == "filterFieldsByName"
                for name in step["options"]["include"]["names"]}
        renamed = {name for step in one.get("transformations", ())
                   if step["id"] == "organize"
                   for name, new in step["options"]["renameByName"].items()
                   if name != new}
        assert used <= kept - renamed


@for_each_page
def test_overrides_name_columns_that_are_shown(page):
    for one in page["panels"]:
        if one["type"] != "table":
            continue
        organize = one["transformations"][-1]["options"]
        shown = set(organize["renameByName"].values()) | {
            name for name in organize["indexByName"]
            if name not in organize["renameByName"]}
        for entry in one["fieldConfig"]["overrides"]:
            assert entry["matcher"]["options"] in shown | {"/.*/"}


@for_each_page
def test_the_text_of_an_empty_table_is_not_in_its_cells(page):
    for one in page["panels"]:
        if one["type"] == "table":
            first = one["fieldConfig"]["overrides"][0]
            assert first == {
                "matcher": {"id": "byRegexp", "options": "/.*/"},
                "properties": [{"id": "noValue", "value": panels.NO_VALUE}]}


@for_each_page
def test_no_unit_rounds_seconds_to_minutes_or_hours_to_days(page):
    units = {node["unit"] for node in everything(page) if "unit" in node} | {
        node["value"] for node in everything(page)
        if node.get("id") == "unit"}
    assert {"suffix: s", "dthms"} <= units
    assert not units & {"s", "ms", "m", "h", "d", "dtdurations"}


@for_each_page
def test_every_variable_has_an_id_of_its_own(page):
    numbers = [one["id"] for one in page["templating"]["list"]]
    assert len(set(numbers)) == len(numbers)


@for_each_page
def test_columns_of_a_table_fit_a_screen_of_1600_pixels(page):
    for one in page["panels"]:
        if one["type"] != "table":
            continue
        custom = one["fieldConfig"]["defaults"]["custom"]
        wide = {entry["matcher"]["options"]: known["value"]
                for entry in one["fieldConfig"]["overrides"]
                for known in entry["properties"]
                if known["id"] == "custom.width"}
        shown = one["transformations"][-1]["options"]["renameByName"]
        # Grafana shares the rest of the width among the other columns.
        rest = 1600 * one["gridPos"]["w"] / panels.WIDTH - 40 - sum(
            wide.values())
        assert custom["minWidth"] <= 50
        assert rest / (len(shown) - len(wide)) > 80, one["title"]


@for_each_page
def test_questions_only_use_what_grafana_fills_in(page):
    variables = {one["name"] for one in page["templating"]["list"]}
    for name, query in questions(page).items():
        assert set(re.findall(r"\$\{(\w+)", query)) <= variables, name
        # A bare $name would be filled in without quotes.
        assert not re.findall(r"\$\w|\[\[", query), name
        assert set(re.findall(r"\bv\.(\w+)", query)) <= {
            "timeRangeStart", "timeRangeStop", "windowPeriod",
            "defaultBucket"}, name
        assert set(re.findall(r"\$\{\w+:(\w+)\}", query)) <= {
            "json", "regex"}, name


@for_each_page
def test_choices_are_chained_from_left_to_right(page):
    seen = set()
    for one in page["templating"]["list"]:
        assert set(re.findall(r"\$\{(\w+)", one["query"]["query"])) <= seen
        seen.add(one["name"])


def test_regions_of_one_layer_only_are_drawn_at_first():
    layers = REVIEW["annotations"]["list"]
    assert [(one["name"], one["enable"]) for one in layers] == [
        ("Original annotations", True), ("Alarms", False)]
    assert len({one["iconColor"] for one in layers}) == 2
    assert not any(one["hide"] for one in layers)
    for one in layers:
        for column in ("time: ", "timeEnd: ", "text: "):
            assert column in one["target"]["query"]


def test_both_layers_are_lanes_right_below_the_ecg():
    lanes, ecg = panel(REVIEW, "Found, missed, false"), panel(REVIEW, "ECG")
    assert lanes["type"] == "state-timeline"
    assert lanes["gridPos"]["y"] == ecg["gridPos"]["y"] + ecg["gridPos"]["h"]
    assert [re.search('_field: "(\\w+)"', target["query"])[1]
            for target in lanes["targets"]] == [
        "annotated", "predicted", "unscorable"]


def test_every_state_of_the_lanes_has_a_colour_by_agreement():
    lanes = panel(REVIEW, "Found, missed, false")
    colours = {value: shown["color"]
               for one in lanes["fieldConfig"]["defaults"]["mappings"]
               if one["type"] == "value"
               for value, shown in one["options"].items()}
    states = {state for target in lanes["targets"] for state in re.findall(
        r'(?:state: |then |else |_value: )"([^"]+)"', target["query"])}
    assert states == set(colours)
    assert colours["found"] == colours["true alarm"]
    assert len({colours[name] for name in (
        "found", "missed", "false alarm", "alarm", "unscorable")}) == 5


def test_a_question_about_what_nobody_writes_is_refused():
    with pytest.raises(KeyError, match="event has no onset"):
        flux.read(schema.EVENT, "onset")
    with pytest.raises(KeyError, match="beat has no model"):
        flux.read(schema.BEAT, model='"m"')


def test_curves_are_named_as_the_schema_names_fields():
    for page in PAGES.values():
        for one in page["panels"]:
            if one["type"] != "timeseries":
                continue
            fields = {name for target in one["targets"] for name in
                      re.findall(r'_field == "(\w+)"', target["query"])}
            assert fields == {entry["matcher"]["options"] for entry in
                              one["fieldConfig"]["overrides"]}
            assert one["fieldConfig"]["defaults"].get("unit") or (
                one["fieldConfig"]["defaults"]["max"] == 1)


def test_zoom_levels_are_those_of_the_schema_finest_first():
    assert tuple(name for name, _ in flux.LEVELS) == tuple(
        schema.RESOLUTIONS)
    for (name, longest_ns), _ in itertools.pairwise(flux.LEVELS):
        assert longest_ns / 1e9 / schema.RESOLUTIONS[name] < (
            panels.MOST_POINTS)


def test_no_file_of_grafana_holds_a_credential():
    for path in GRAFANA.glob("**/*.y*ml"):
        for line in path.read_text("utf-8").splitlines():
            found = re.match(
                r"\s*(?:token|password|user|basicAuth\w*):\s*(\S+)", line)
            assert not found or re.fullmatch(r"\$[A-Z0-9_]+", found[1])
    for page in PAGES.values():
        assert not {key.lower() for node in everything(page)
                    for key in node} & {"token", "password", "securejsondata"}


def test_dashboards_cannot_be_changed_where_it_would_be_lost():
    provider, = yaml.safe_load((
        GRAFANA / "provisioning/dashboards/aura.yaml"
    ).read_text("utf-8"))["providers"]
    assert provider["allowUiUpdates"] is False
    assert not any(page["editable"] for page in PAGES.values())
