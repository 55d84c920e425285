"""Panels of one style, each with a description and a text for no data."""

from dataclasses import dataclass

from grafana_foundation_sdk.builders import (
    common as build,
    dashboard as build_dashboard,
    stat,
    statetimeline,
    table,
    text,
    timeseries,
)
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models.dashboard import (
    DataTransformerConfig,
    DynamicConfigValue,
    Panel,
    RowPanel,
)
from grafana_foundation_sdk.models.text import TextMode

SOURCE_UID, SOURCE_TYPE = "aura-influxdb", "influxdb"
SOURCE = dashboard.DataSourceRef(SOURCE_TYPE, SOURCE_UID)
REVIEW_UID, COHORT_UID = "aura-review", "aura-cohort"
WIDTH = 24
# Largest number of points per query; Grafana cuts off results at ten times
# as many. One minute of raw ECG at 2 kHz fits.
MOST_POINTS = 12_000
NOTICE = "Research software, not a medical device"
LONGEST_HOP_MS = 10_001.0
# Units of Grafana would show 61 s as "1 min".
SECONDS, HOURS, CLOCK = "suffix: s", "suffix: h", "dthms"
NO_VALUE = "\u2013"
NOTHING = dashboard.SpecialValueMap(dashboard.DashboardSpecialValueMapOptions(
    dashboard.SpecialValueMatch.NULL_AND_NAN,
    dashboard.ValueMappingResult("none", index=0)))
OTHER_TIME = ("No data in this time range. Each recording has its own clock: "
              "open one in the table Recordings.")
# Okabe & Ito's colours, which are safe for colour blindness, as in the
# pictures of `aura predict`. The greys are visible in both themes.
ORIGINAL, PREDICTED, UNSCORABLE = "#0072B2", "#D55E00", "#8793A0"
HEART, BASELINE, PROBABILITY = "#56B4E9", "#E69F00", "#CC79A7"
DETECTED, UNJUDGED = "#009E73", "#E69F00"


@dataclass
class FluxQuery(Dataquery):
    """A Flux query, as Grafana stores it."""

    ref: str
    query: str

    def to_json(self) -> dict[str, object]:
        """As Grafana stores it."""
        return {"refId": self.ref, "query": self.query,
                "datasource": SOURCE}

    @classmethod
    def from_json(cls, data: dict[str, str]) -> "FluxQuery":
        """From what Grafana stores."""
        return cls(data["refId"], data["query"])


class FluxTarget(dashboard.AnnotationTarget):
    """The query of an annotation; the SDK has no type for it."""

    def __init__(self, query: str) -> None:
        super().__init__()
        self._query = FluxQuery("Anno", query)

    def to_json(self) -> dict[str, object]:
        """As Grafana stores it."""
        return {**super().to_json(), **self._query.to_json()}


Properties = tuple[str, dict[str, object]]


def notice(content: str) -> Panel:
    """The line at the top; the mark of a description would cover it."""
    return (text.Panel().transparent(True)
            .mode(TextMode.MARKDOWN).content(content).build())


def trend(title: str, description: str, *queries: str) -> Panel:
    """
    Curves over time, at most one point per second.

    Lines bridge only gaps that are shorter than the longest step.
    """
    return _asking(
        timeseries.Panel().title(title).description(description)
        .datasource(SOURCE).no_value(OTHER_TIME).interval("1s")
        .line_width(1).fill_opacity(0).axis_width(70)
        .show_points(common.VisibilityMode.AUTO).span_nulls(LONGEST_HOP_MS)
        .legend(build.VizLegendOptions().show_legend(True)
                .display_mode(common.LegendDisplayMode.LIST)
                .placement(common.LegendPlacement.BOTTOM))
        .tooltip(build.VizTooltipOptions()
                 .mode(common.TooltipDisplayMode.MULTI)
                 .sort(common.SortOrder.NONE)).build(), queries)


def lanes(title: str, description: str, states: list[dashboard.ValueMap],
          *queries: str) -> Panel:
    """States over time, one lane per query, on the clock of the curves."""
    panel = _asking(
        statetimeline.Panel().title(title).description(description)
        .datasource(SOURCE).no_value(OTHER_TIME)
        .mappings([*states])
        .show_value(common.VisibilityMode.AUTO).merge_values(True)
        .row_height(0.8).line_width(0).fill_opacity(100)
        .legend(build.VizLegendOptions().show_legend(True)
                .display_mode(common.LegendDisplayMode.LIST)
                .placement(common.LegendPlacement.BOTTOM))
        .tooltip(build.VizTooltipOptions()
                 .mode(common.TooltipDisplayMode.SINGLE)
                 .sort(common.SortOrder.NONE)).build(), queries)
    panel.max_data_points = MOST_POINTS
    return panel


def listing(title: str, description: str, empty: str, columns: dict[str, str],
            *queries: str, join: str = "") -> Panel:
    """
    A table.

    Parameters
    ----------
    title, description : str
    empty : str
        Text shown if there are no rows.
    columns : dict of str to str
        Heading of each column, in order. Columns without a heading are
        hidden; links use them.
    *queries : str
    join : str
        Column on which the results of several queries are joined.
    """
    panel = (table.Panel().title(title).description(description)
             .datasource(SOURCE).no_value(empty).show_header(True)
             .max_data_points(MOST_POINTS).build())
    panel.field_config.defaults.custom = common.TableFieldOptions(
        filterable=True, min_width=50)
    # The text for an empty table would be in each empty cell too.
    panel.field_config.overrides.append(
        dashboard.DashboardFieldConfigSourceOverrides(
            dashboard.MatcherConfig("byRegexp", "/.*/"),
            [DynamicConfigValue("noValue", NO_VALUE)]))
    places = {name: at for at, name in enumerate(columns)}
    panel.transformations = [
        *([DataTransformerConfig("joinByField", options={
            "byField": join, "mode": "outer"})] if join else ()),
        DataTransformerConfig("filterFieldsByName", options={
            "include": {"names": list(columns)}}),
        DataTransformerConfig("organize", options={
            "indexByName": places, "excludeByName": {}, "renameByName": {
                name: shown for name, shown in columns.items() if shown}})]
    hidden: dict[str, object] = {"custom.hidden": True}
    override(panel, *((name, hidden) for name, shown in columns.items()
                      if not shown))
    return _asking(panel, queries)


def figure(title: str, description: str, column: str, unit: str, query: str,
           *, decimals: int = 0, shade: str = "",
           empty: str = "none") -> Panel:
    """One number, in a colour of the lanes or in that of the text."""
    colour = build_dashboard.FieldColor().mode(
        dashboard.FieldColorModeId.FIXED).fixed_color(shade or "text")
    return _asking(
        stat.Panel().title(title).description(description)
        .datasource(SOURCE).no_value(empty).unit(unit).decimals(decimals)
        .mappings([NOTHING]).graph_mode(common.BigValueGraphMode.NONE)
        .color_mode(common.BigValueColorMode.VALUE).color_scheme(colour)
        .reduce_options(build.ReduceDataOptions().values(False)
                        .calcs(["lastNotNull"]).fields(f"/^{column}$/"))
        .build(), (query,))


def _asking(panel: Panel, queries: tuple[str, ...]) -> Panel:
    panel.targets = [FluxQuery(letter, query)
                     for letter, query in zip("ABCD", queries, strict=False)]
    return panel


def override(panel: Panel, *changes: Properties) -> Panel:
    """Change properties of fields, selected by their displayed names."""
    panel.field_config.overrides += [
        dashboard.DashboardFieldConfigSourceOverrides(
            dashboard.MatcherConfig("byName", name),
            [DynamicConfigValue(key, value)
             for key, value in properties.items()])
        for name, properties in changes]
    return panel


def curve(name: str, heading: str, shade: str,
          **custom: object) -> Properties:
    """Name, colour and style of one curve."""
    return name, {
        "displayName": heading,
        "color": dashboard.FieldColor(
            dashboard.FieldColorModeId.FIXED, shade),
        **{f"custom.{key}": value for key, value in custom.items()}}


def link(title: str, **query: str) -> dashboard.DashboardLink:
    """Link from a table row to the time range of a recording."""
    asked = "&".join(f"{key.replace('var_', 'var-')}={value}"
                     for key, value in query.items())
    return dashboard.DashboardLink(
        title=title, url=f"/d/{REVIEW_UID}/recording-review?{asked}")


def cell(name: str) -> str:
    """Value of a column in the row of a link."""
    return f"${{__data.fields.{name}}}"


def words(**texts: tuple[str, str]) -> list[dashboard.ValueMap]:
    """Text and colour for each value."""
    return [dashboard.ValueMap({
        value: dashboard.ValueMappingResult(shown, shade, index=at)
        for at, (value, (shown, shade)) in enumerate(texts.items())})]


def outcomes() -> list[Properties]:
    """The columns found, missed and false alarms, in their colours."""
    shown: list[Properties] = []
    for name, shade in (("found", DETECTED), ("missed", ORIGINAL),
                        ("false alarms", PREDICTED)):
        shown.append((name, {
            "custom.cellOptions": {"type": "color-text"},
            # A count of 0 needs no colour.
            "mappings": [dashboard.RangeMap(dashboard.DashboardRangeMapOptions(
                1, 1e9, dashboard.ValueMappingResult(
                    color=shade, index=0)))]}))
    return shown


def arrange(*lines: tuple[int, tuple[tuple[int, Panel], ...]]
            ) -> list[Panel | RowPanel]:
    """
    Number the panels and place them in lines, from left to right.

    Parameters
    ----------
    *lines : tuple
        Height of a line, and its panels with their widths.
    """
    panels: list[Panel | RowPanel] = []
    y = 0
    for height, line in lines:
        x = 0
        for width, panel in line:
            panel.id_val = len(panels) + 1
            panel.grid_pos = dashboard.GridPos(height, width, x, y)
            panels.append(panel)
            x += width
        y += height
    return panels


def variable(name: str, description: str, query: str, *,
             several: bool = False) -> dashboard.VariableModel:
    """A variable whose values are queried when the dashboard loads."""
    choice = dashboard.VariableModel(
        # Grafana 9 offers one variable of each id.
        id_val=name, type_val=dashboard.VariableType.QUERY, name=name,
        label=name.capitalize(), description=description, datasource=SOURCE,
        query={"refId": f"variable-{name}", "query": query,
               "maxDataPoints": MOST_POINTS},
        refresh=dashboard.VariableRefresh.ON_DASHBOARD_LOAD,
        sort=dashboard.VariableSort.ALPHABETICAL_ASC)
    if several:
        choice.multi = choice.include_all = True
        choice.all_value = ".*"
        choice.current = dashboard.VariableOption(
            True, ["All"], ["$__all"])
    return choice
