package io.lychee.rerank.evaluation;

import java.util.List;

/** A drawing, piece by piece; colours and lines come from the style sheet's classes. Texts are escaped here. */
final class Svg {

    private final StringBuilder out = new StringBuilder();

    /** @param label what it shows, for those who can't see it */
    Svg(int width, int height, String label) {
        out.append(Html.format("<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", width, height))
                .append(Html.escape(label))
                .append("\">");
    }

    Svg line(String style, double x1, double y1, double x2, double y2) {
        out.append(Html.format(
                "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>", style, x1, y1, x2, y2));
        return this;
    }

    /** @param tip shown when the mouse rests on it */
    Svg rect(String style, double x, double y, double width, double height, String tip) {
        out.append(Html.format(
                "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"><title>%s</title></rect>",
                style, x, y, Math.max(0, width), Math.max(0, height), Html.escape(tip)));
        return this;
    }

    /** @param tip shown when the mouse rests on it */
    Svg circle(String style, double x, double y, double radius, String tip) {
        out.append(Html.format(
                "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\"><title>%s</title></circle>",
                style, x, y, radius, Html.escape(tip)));
        return this;
    }

    /** @param style may hold {@code end} or {@code middle}: where x is in the text */
    Svg text(String style, double x, double y, String text) {
        out.append(Html.format("<text class=\"%s\" x=\"%.1f\" y=\"%.1f\">%s</text>", style, x, y, Html.escape(text)));
        return this;
    }

    /** @param points x and y in turn */
    Svg path(String style, List<double[]> points) {
        out.append(Html.format("<polyline class=\"%s\" points=\"", style));
        points.forEach(point -> out.append(Html.format("%.1f,%.1f ", point[0], point[1])));
        out.append("\"/>");
        return this;
    }

    String html() {
        return out + "</svg>";
    }
}
