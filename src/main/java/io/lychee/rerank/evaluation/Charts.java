package io.lychee.rerank.evaluation;

import io.lychee.rerank.evaluation.Calibration.Bin;
import io.lychee.rerank.evaluation.Calibration.Threshold;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The report's plots. */
final class Charts {

    private static final int WIDTH = 440;
    private static final int HEIGHT = 260;
    private static final int LEFT = 50;
    private static final int RIGHT = 12;
    private static final int TOP = 12;
    private static final int BOTTOM = 36;
    private static final int BARS = 25;
    private static final int GAIN_ROW = 48;

    private Charts() {}

    /** Two lines a group: name and gain in words; then the gain as a dot, its interval as a bar, and both means. */
    static String gains(Map<String, Comparison> groups, String measure) {
        int height = 30 + groups.size() * GAIN_ROW;
        Svg svg = new Svg(WIDTH, height, "Gain of " + measure + " by group");
        double low = 0;
        double high = 0.1;
        for (Comparison quality : groups.values()) {
            PairedDifference gain = quality.gain(measure);
            low = Math.min(low, gain.low() == null ? gain.mean() : gain.low());
            high = Math.max(high, gain.high() == null ? gain.mean() : gain.high());
        }
        double from = Math.floor(low * 10) / 10;
        double to = Math.ceil(high * 10) / 10;
        double left = 20;
        double scale = (WIDTH - left - 150) / (to - from);
        int first = (int) Math.round(from * 10);
        int last = (int) Math.round(to * 10);
        int step = 1 + (last - first) / 6;
        for (int tick = -Math.floorDiv(-first, step) * step; tick <= last; tick += step) {
            double x = left + (tick / 10.0 - from) * scale;
            for (double top = 25; top < height - 30; top += GAIN_ROW) {
                svg.line(tick == 0 ? "axis" : "grid", x, top, x, top + 22);
            }
            svg.text("tick middle", x, height - 10, tick == 0 ? "0" : Html.format("%+.1f", tick / 10.0));
        }
        double y = 18;
        for (Map.Entry<String, Comparison> group : groups.entrySet()) {
            Comparison quality = group.getValue();
            PairedDifference gain = quality.gain(measure);
            String words = Html.format("%+.3f (%s)", gain.mean(), gain.interval("%+.2f", "–"));
            String means = Html.format("%.3f → %.3f", quality.was(measure), quality.is(measure));
            svg.text("label", 0, y, Html.cut(group.getKey(), 17) + " (" + quality.queries() + ")");
            svg.text("label end", WIDTH, y, words);
            double x = left + (gain.mean() - from) * scale;
            double line = y + 18;
            if (gain.low() != null && gain.high() != null) {
                svg.line(
                        "interval",
                        left + (gain.low() - from) * scale,
                        line,
                        left + (gain.high() - from) * scale,
                        line);
            }
            svg.circle("dot", x, line, 5, group.getKey() + ": " + means + ", " + words);
            svg.text("tick end", WIDTH, line + 4, means);
            y += GAIN_ROW;
        }
        return svg.html();
    }

    /** Shares of the relevant upwards, of the irrelevant downwards. */
    static String distributions(Calibration scores) {
        Svg svg = new Svg(WIDTH, HEIGHT, "Scores of relevant and of irrelevant candidates");
        long[] relevant = scores.histogram(true, BARS);
        long[] irrelevant = scores.histogram(false, BARS);
        double most = Math.max(1e-9, Math.max(largestShare(relevant), largestShare(irrelevant)));
        double middle = TOP + (HEIGHT - TOP - BOTTOM) / 2.0;
        double bar = (double) (WIDTH - LEFT - RIGHT) / BARS;
        bars(svg, "relevant", relevant, most, middle, -1);
        bars(svg, "irrelevant", irrelevant, most, middle, 1);
        svg.line("axis", LEFT, middle, WIDTH - RIGHT, middle);
        svg.text(
                "tick relevant-text",
                LEFT + bar,
                TOP + 10,
                "relevant: " + Arrays.stream(relevant).sum());
        svg.text(
                "tick irrelevant-text end",
                WIDTH - RIGHT,
                HEIGHT - BOTTOM - 2,
                "irrelevant: " + Arrays.stream(irrelevant).sum());
        scale(svg, "score");
        return svg.html();
    }

    private static void bars(Svg svg, String style, long[] counts, double most, double middle, int direction) {
        long sum = Math.max(1, Arrays.stream(counts).sum());
        double bar = (double) (WIDTH - LEFT - RIGHT) / counts.length;
        for (int b = 0; b < counts.length; b++) {
            double height = counts[b] / (double) sum / most * (HEIGHT - TOP - BOTTOM) * 0.46;
            svg.rect(
                    style,
                    LEFT + b * bar + 0.5,
                    direction < 0 ? middle - height : middle,
                    bar - 1,
                    height,
                    Html.format("%.2f to %.2f: %d %s", (double) b / BARS, (b + 1.0) / BARS, counts[b], style));
        }
    }

    private static double largestShare(long[] counts) {
        return Arrays.stream(counts).max().orElse(0)
                / (double) Math.max(1, Arrays.stream(counts).sum());
    }

    /** Share of relevant ones against the score; on the diagonal a score is what it says. */
    static String reliability(Calibration scores) {
        Svg svg = new Svg(WIDTH, HEIGHT, "Share of relevant candidates by score");
        square(svg, "relevant");
        svg.line("diagonal", x(0), y(0), x(1), y(1));
        List<double[]> points = new ArrayList<>();
        List<Bin> bins = scores.bins().stream().filter(bin -> bin.count() > 0).toList();
        bins.forEach(bin -> points.add(new double[] {x(bin.score()), y(bin.relevant())}));
        svg.path("curve relevant-line", points);
        for (Bin bin : bins) {
            double radius = 3 + 9 * Math.sqrt(bin.count() / (double) scores.pairs());
            svg.circle(
                    "dot",
                    x(bin.score()),
                    y(bin.relevant()),
                    radius,
                    Html.format("score %.2f: %.0f %% of %d relevant", bin.score(), 100 * bin.relevant(), bin.count()));
        }
        scale(svg, "score");
        return svg.html();
    }

    /** Plots precision and recall over the threshold, and marks the suggested ones. */
    static String thresholds(Calibration scores) {
        Svg svg = new Svg(WIDTH, HEIGHT, "Precision and recall over the score threshold");
        square(svg, "");
        List<double[]> precision = new ArrayList<>();
        List<double[]> recall = new ArrayList<>();
        for (int step = 0; step <= Calibration.STEPS; step += 5) {
            Threshold cut = scores.cuts().get(step);
            recall.add(new double[] {x(cut.score()), y(cut.recall())});
            if (cut.kept() > 0) {
                precision.add(new double[] {x(cut.score()), y(cut.precision())});
            }
        }
        svg.path("curve precision-line", precision).path("curve recall-line", recall);
        mark(svg, "drop", scores.drop());
        mark(svg, "boost", scores.boost());
        scale(svg, "threshold");
        return svg.html();
    }

    /** Plots counts as bars, each with its number; {@code names} are the bars' ticks. */
    static String counts(String label, List<String> names, List<Integer> counts) {
        Svg svg = new Svg(WIDTH, HEIGHT, label);
        double most = Math.max(1, Collections.max(counts));
        double bar = (double) (WIDTH - LEFT - RIGHT) / counts.size();
        for (int b = 0; b < counts.size(); b++) {
            double height = counts.get(b) / most * (y(0) - y(0.9));
            double left = LEFT + b * bar;
            svg.rect("bar", left + 2, y(0) - height, bar - 4, height, names.get(b) + ": " + counts.get(b));
            svg.text("label middle", left + bar / 2, y(0) - height - 4, "" + counts.get(b));
            svg.text("tick middle", left + bar / 2, HEIGHT - BOTTOM + 16, names.get(b));
        }
        svg.line("axis", LEFT, y(0), WIDTH - RIGHT, y(0));
        return svg.html();
    }

    private static void mark(Svg svg, String name, @Nullable Threshold threshold) {
        if (threshold != null) {
            double x = x(threshold.score());
            boolean room = threshold.score() < 0.8;
            svg.line("mark", x, y(0), x, y(1));
            svg.text(
                    room ? "tick halo" : "tick halo end",
                    room ? x + 4 : x - 4,
                    y(name.equals("drop") ? 0.52 : 0.44),
                    Html.format("%s %.3f", name, threshold.score()));
        }
    }

    private static void square(Svg svg, String vertical) {
        for (int quarter = 0; quarter <= 4; quarter++) {
            double y = y(quarter / 4.0);
            svg.line(quarter == 0 ? "axis" : "grid", LEFT, y, WIDTH - RIGHT, y);
            svg.text("tick end", LEFT - 6, y + 4, quarter * 25 + " %");
        }
        svg.text("tick", LEFT + 4, TOP + 10, vertical);
    }

    private static void scale(Svg svg, String name) {
        for (int fifth = 0; fifth <= 5; fifth++) {
            svg.text("tick middle", x(fifth / 5.0), HEIGHT - BOTTOM + 16, Html.format("%.1f", fifth / 5.0));
        }
        svg.text("tick middle", x(0.5), HEIGHT - 4, name);
    }

    private static double x(double share) {
        return LEFT + share * (WIDTH - LEFT - RIGHT);
    }

    private static double y(double share) {
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM);
    }
}
