"""Plots show what they were given, with units, and are the same file every time."""

import subprocess
import sys

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from PIL import Image

from hwnas.problem import Budget, Objective
from hwnas.report import Mark, front_plot, prediction_plot, progress_plot, save, training_plot
from hwnas.report.style import axis_label, unit_scale

ACCURACY = Objective("accuracy", "%", "accuracy", maximise=True)
LATENCY = Objective("latency_ms", "ms", "latency")
PARAMS = Objective("params", "", "parameters")
ENERGY = Objective("energy_mj", "mJ", "energy", model=True)
MEMORY = Objective("peak_memory_bytes", "bytes", "peak memory")

VALUES = np.array([80.0, 84.0, 86.0, 83.0, 79.0, 20.0])
COSTS = np.array([1.0, 1.5, 2.0, 2.1, 2.4, 2.6])
ON_FRONT = np.array([True, True, True, False, False, False])


def front(**changes):
    given = {"values": VALUES, "costs": COSTS, "on_front": ON_FRONT} | changes
    return front_plot(ACCURACY, LATENCY, **given)


def texts(figure):
    """All that is written in a figure's axes and legends."""
    axes = figure.axes[0]
    legends = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    return {axes.get_xlabel(), axes.get_ylabel(), *(t.get_text() for t in axes.texts), *legends}


def line_named(figure, start):
    return next(line for line in figure.axes[0].lines if str(line.get_label()).startswith(start))


def training():
    return training_plot([1, 2], {"largest": [70.0, 80.0], "smallest": [60.0, 70.0]})


PLOTS = {
    "front": lambda: front(
        budgets=[Budget("latency_ms", 2.2), Budget("accuracy", 81.0, at_most=False)],
        references=[Mark("MobileNetV2 0.5", 1.2, 81.0), Mark("MnasNet-A1 0.5", 1.9)],
        chosen=Mark("chosen", 1.5, 84.0),
    ),
    "progress": lambda: progress_plot({"random": (np.arange(1, 5), np.sqrt(np.arange(1, 5)))}),
    "prediction": lambda: prediction_plot(
        LATENCY, COSTS * 0.97, COSTS, mape=3.0, bias=-3.0, spearman=1.0,
        marks=[Mark("chosen", 1.4, 1.5)],
    ),
    "training": training,
}  # fmt: skip


def test_the_front_is_drawn_through_its_members_in_order_of_cost():
    shuffled = [2, 0, 1, 5, 3, 4]
    figure = front(values=VALUES[shuffled], costs=COSTS[shuffled], on_front=ON_FRONT[shuffled])
    line = line_named(figure, "front")
    assert line.get_xdata().tolist() == [1.0, 1.5, 2.0]
    assert line.get_ydata().tolist() == [80.0, 84.0, 86.0]


def test_members_that_are_best_in_another_objective_are_not_on_the_line():
    figure = front(on_front=np.array([True, True, True, True, False, False]))
    assert len(line_named(figure, "front").get_xdata()) == 3
    assert "front, for another objective" in texts(figure)


def test_axes_carry_label_and_unit():
    assert {"latency (ms)", "accuracy (%)"} <= texts(front())


def test_points_too_far_below_are_counted_instead_of_squashing_the_front():
    figure = front()
    assert "evaluated (1 out of view)" in texts(figure)
    assert 20.0 < figure.axes[0].get_ylim()[0] < 79.0


def test_budgets_of_both_axes_are_labelled_and_others_are_not_shown():
    figure = front(
        budgets=[
            Budget("latency_ms", 2.2),
            Budget("accuracy", 81.0, at_most=False),
            Budget("params", 1e6),
        ]
    )
    shown = {text for text in texts(figure) if text.startswith("budget")}
    assert shown == {"budget 2.2 ms", "budget 81.00 %"}


def test_a_budget_with_confidence_says_how_sure_it_is():
    assert "budget 2.2 ms, 95 % sure" in texts(
        front(budgets=[Budget("latency_ms", 2.2, confidence=95.0)])
    )


def test_measured_networks_are_ringed_and_joined_to_where_they_were_predicted():
    predicted = np.array([np.nan, 1.2, np.nan, 2.5, np.nan, np.nan])
    figure = front(predicted=predicted)
    assert {"measured", "predicted, before it was measured"} <= texts(figure)
    lines = [line.get_xydata().tolist() for line in figure.axes[0].lines]
    assert [[1.2, 84.0], [1.5, 84.0]] in lines
    assert [[2.5, 83.0], [2.1, 83.0]] in lines
    assert "measured" not in texts(front(predicted=np.full(6, np.nan)))


def test_references_and_the_chosen_network_are_labelled():
    figure = front(
        references=[Mark("MobileNetV2 0.5", 1.2, 81.0)], chosen=Mark("the one", 1.5, 84.0)
    )
    assert {"MobileNetV2 0.5", "the one", "hand-made network", "chosen"} <= texts(figure)


def test_a_reference_of_unknown_accuracy_is_a_tick_at_its_cost():
    figure = front(references=[Mark("MnasNet-A1 0.5", 1.9)])
    assert "MnasNet-A1 0.5" in texts(figure)
    assert "hand-made network" not in texts(figure)
    axes = figure.axes[0]
    tick = axes.lines[-1].get_xdata()[0]
    pixel = axes.transAxes.transform((tick, 1.0))
    assert axes.transData.inverted().transform(pixel)[0] == pytest.approx(1.9, abs=0.01)


def test_many_references_at_one_cost_are_written_beside_each_other():
    marks = [Mark(f"network {i}", 1.5 + 0.001 * i) for i in range(8)]
    figure = front(references=marks)
    places = sorted(text.xy[0] for text in figure.axes[0].texts if "network" in text.get_text())
    assert np.diff(places).min() > 0.02
    assert 0.0 <= places[0] < places[-1] <= 1.0


def test_labels_of_close_networks_do_not_cross():
    marks = [Mark(f"MobileNetV3-Small {i}", 1.5 + 0.02 * i, 82.0 + 0.1 * i) for i in range(5)]
    figure = front(references=marks)
    boxes = [t.get_window_extent() for t in figure.axes[0].texts if "Mobile" in t.get_text()]
    assert len(boxes) == 5
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_costs_over_a_wide_range_get_a_logarithmic_axis():
    assert front().axes[0].get_xscale() == "linear"
    assert front(costs=COSTS**4).axes[0].get_xscale() == "log"


def test_a_front_of_one_network_can_be_drawn():
    figure = front_plot(
        ACCURACY, PARAMS, values=np.array([80.0]), costs=np.array([2e6]), on_front=np.array([True])
    )
    assert "parameters (M)" in texts(figure)


def test_a_run_in_which_nothing_was_feasible_can_be_drawn():
    assert "front" not in texts(front(on_front=np.zeros(6, dtype=bool)))


def test_two_costs_can_be_drawn_against_each_other():
    figure = front_plot(
        LATENCY, PARAMS,
        values=np.array([3.0, 2.0, 1.0]), costs=np.array([1e5, 2e5, 3e5]),
        on_front=np.array([True, True, True]),
    )  # fmt: skip
    assert line_named(figure, "front").get_ydata().tolist() == [3.0, 2.0, 1.0]


@pytest.mark.parametrize(
    ("objective", "largest", "scale", "label"),
    [
        (PARAMS, 4.1e6, 1e6, "parameters (M)"),
        (PARAMS, 40_000, 1e3, "parameters (k)"),
        (PARAMS, 40, 1.0, "parameters"),
        (MEMORY, 3 * 2**20, 2**20, "peak memory (MiB)"),
        (MEMORY, 3000, 2**10, "peak memory (KiB)"),
        (ENERGY, 3.0, 1.0, "energy (mJ, model)"),
        (LATENCY, 0.2, 1.0, "latency (ms)"),
    ],
)
def test_axes_use_a_readable_unit_and_say_what_is_a_model(objective, largest, scale, label):
    factor, unit = unit_scale(objective, largest)
    assert factor == scale
    assert axis_label(objective, unit) == label


def test_several_runs_are_drawn_as_their_median():
    runs = np.array([[1.0, 2.0], [2.0, 4.0], [9.0, 9.0]])
    figure = progress_plot({"nsga2": (np.array([10, 20]), runs)})
    assert figure.axes[0].lines[0].get_ydata().tolist() == [2.0, 4.0]
    assert figure.axes[0].get_xlabel() == "architectures evaluated"


def test_a_prediction_plot_states_its_errors():
    figure = prediction_plot(
        LATENCY, COSTS, COSTS, mape=4.25, bias=-1.5, spearman=0.9876, repeatability=2.0
    )
    stated = next(text for text in texts(figure) if "MAPE" in text)
    assert stated.splitlines() == [
        "MAPE 4.2 %", "bias \N{MINUS SIGN}1.5 %", "Spearman 0.988", "repeatability 2.0 %",
    ]  # fmt: skip
    assert {"measured latency (ms)", "predicted latency (ms)"} <= texts(figure)


def test_a_prediction_plot_shows_the_intervals_that_were_stated():
    given = {"mape": 4.25, "bias": -1.5, "spearman": 0.9876}
    plain = prediction_plot(LATENCY, COSTS, COSTS, **given)
    figure = prediction_plot(LATENCY, COSTS, COSTS, intervals=0.1 * COSTS, **given)
    assert "90 % interval" in texts(figure) - texts(plain)
    (bars,) = (c for c in figure.axes[0].collections if isinstance(c, LineCollection))
    heights = [segment[1][1] - segment[0][1] for segment in bars.get_segments()]
    np.testing.assert_allclose(heights, 0.2 * COSTS)


def test_a_training_plot_names_each_network_with_its_last_accuracy():
    assert {"largest (80.0 %)", "smallest (70.0 %)"} <= texts(training())


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_is_written_as_png_and_svg_and_is_the_same_every_time(name, tmp_path):
    first = save(PLOTS[name](), tmp_path / "first" / name)
    second = save(PLOTS[name](), tmp_path / "second" / name)
    assert [path.name for path in first] == [f"{name}.png", f"{name}.svg"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    with Image.open(first[0]) as image:
        assert image.width >= 1200
    assert b"<svg" in first[1].read_bytes()[:1000]


def test_a_dot_in_a_name_is_no_suffix(tmp_path):
    png, _ = save(Figure(), tmp_path / "space_w1.0")
    assert png.name == "space_w1.0.png"


def test_plotting_leaves_pyplot_alone():
    code = "import hwnas.report, sys; sys.exit('matplotlib.pyplot' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
