package io.lychee.rerank.evaluation;

import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.Content;
import io.lychee.rerank.evaluation.Calibration.Threshold;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The report: one HTML file that loads nothing, runs nothing and says what it knows in plots. All queries must have a
 * ranking before and after.
 *
 * @param source what was evaluated, for the title
 * @param by attribute of lists, its values, their quality
 * @param scores null where there are no scores of the model
 * @param lists what the lists that moved look like, as far as it is known
 * @param images the folder of {@code file:} pictures; null where they can't be shown
 */
public record Report(
        String source,
        Measures measures,
        Comparison quality,
        Map<String, Map<String, Comparison>> by,
        @Nullable Calibration scores,
        List<Moved> moved,
        Map<String, CandidateList> lists,
        @Nullable Path images) {

    private static final String TEMPLATE = "/evaluation/report.html";
    private static final int RISEN = 6;
    private static final int FALLEN = 4;
    private static final int PLACES = 5;
    private static final int TITLE = 90;
    private static final int MAX_GROUPS = 40;
    private static final Content UNKNOWN = new Content(null, List.of());

    /** A list and the headline measure of its rankings. */
    public record Moved(JudgedQuery query, double before, double after) {

        public String id() {
            return query.id();
        }

        double gain() {
            return after - before;
        }
    }

    /** The lists that gained most, then those that lost most, worst first. */
    public static List<Moved> moved(List<JudgedQuery> queries, Measures measures) {
        List<Moved> all = queries.stream()
                .map(query -> new Moved(
                        query,
                        measures.headline(Objects.requireNonNull(query.before()), query.judged()),
                        measures.headline(query.after(), query.judged())))
                .sorted(Comparator.comparingDouble(Moved::gain))
                .toList();
        List<Moved> moved = new ArrayList<>();
        for (int i = all.size() - 1;
                i >= 0 && moved.size() < RISEN && all.get(i).gain() > 0;
                i--) {
            moved.add(all.get(i));
        }
        all.stream().filter(list -> list.gain() < 0).limit(FALLEN).forEach(moved::add);
        return moved;
    }

    public String html() throws IOException {
        Pictures pictures = new Pictures(images);
        String movers = movers(pictures);
        Map<String, String> parts = new LinkedHashMap<>();
        parts.put("source", Html.escape(source));
        parts.put("pictures", pictures.css());
        parts.put("headline", headline());
        parts.put("measures", measuresTable());
        parts.put("groups", groups());
        parts.put("scores", scores == null || scores.pairs() == 0 ? "" : scores(scores));
        parts.put("movers", movers);
        return Html.fill(template(), parts);
    }

    private String headline() {
        StringBuilder out = new StringBuilder();
        for (String name : List.of(measures.headline(), "recip_rank", "map")) {
            PairedDifference gain = quality.gain(name);
            out.append(Html.format(
                    "<div class=\"card figure\"><h3>%s</h3><p><span>%.3f →</span> <b>%.3f</b></p>"
                            + "<p class=\"%s\">%+.3f (%s)</p></div>",
                    name,
                    quality.was(name),
                    quality.is(name),
                    style(gain.mean()),
                    gain.mean(),
                    gain.interval("%+.3f", "one query")));
        }
        return out
                + Html.format(
                        "<div class=\"card figure\"><h3>queries</h3><p><b>%d</b></p>"
                                + "<p class=\"quiet\">%.0f places, %.0f relevant</p></div>",
                        quality.queries(), quality.is("num_ret"), quality.is("num_rel"));
    }

    private String measuresTable() {
        StringBuilder rows = new StringBuilder();
        for (String name : measures.names()) {
            PairedDifference gain = quality.gain(name);
            rows.append(Html.format(
                    "<tr><th>%s</th><td>%.4f</td><td>%.4f</td><td class=\"%s\">%+.4f</td><td>%s</td><td>%.4f</td></tr>",
                    name,
                    quality.was(name),
                    quality.is(name),
                    style(gain.mean()),
                    gain.mean(),
                    gain.interval("%+.4f", "–"),
                    gain.p()));
        }
        return rows.toString();
    }

    private String groups() {
        StringBuilder out = new StringBuilder();
        for (Map.Entry<String, Map<String, Comparison>> attribute : by.entrySet()) {
            Map<String, Comparison> rows = new LinkedHashMap<>();
            rows.put("all lists", quality);
            attribute.getValue().entrySet().stream()
                    .limit(MAX_GROUPS)
                    .forEach(group -> rows.put(group.getKey(), group.getValue()));
            out.append("<div class=\"card wide\"><h3>Gain of ")
                    .append(measures.headline())
                    .append(" by ")
                    .append(Html.shown(attribute.getKey(), TITLE))
                    .append("</h3>")
                    .append(Charts.gains(rows, measures.headline()))
                    .append("</div>");
        }
        return out.toString();
    }

    private static String scores(Calibration scores) {
        return "<h2>What scores are worth</h2><p class=\"quiet\">"
                + Html.format(
                        "%d scored candidates, %d of them relevant. What nobody judged counts as irrelevant.",
                        scores.pairs(), scores.countRelevant())
                + "</p><div class=\"grid\">"
                + card("Scores of relevant and irrelevant candidates", Charts.distributions(scores), "")
                + card(
                        "Is a score of 0.8 right in 80 %?",
                        Charts.reliability(scores),
                        Html.format(
                                "Expected calibration error %.3f. Above the diagonal scores are too timid, below it too"
                                        + " bold; larger dots hold more candidates.",
                                scores.calibrationError()))
                + card(
                        "<i class=\"precision\">Precision</i> and <i class=\"recall\">recall</i> from a score on",
                        Charts.thresholds(scores),
                        "")
                + card(
                        "Suggested thresholds",
                        suggestion("Drop below", scores.drop(), "the highest that keeps 95 % of what is relevant")
                                + suggestion("Boost from", scores.boost(), "the lowest at which 90 % are relevant"),
                        "<code>" + Html.escape(scores.rules()) + "</code><br>"
                                + "Measured on these lists; other lists, instructions or checkpoints may need others.")
                + "</div>";
    }

    private static String suggestion(String what, @Nullable Threshold threshold, String why) {
        String found = threshold == null
                ? "<p><b>–</b></p><p class=\"quiet\">No score is "
                : Html.format(
                        "<p><b>%.3f</b></p><p class=\"quiet\">%d candidates score at least that; %.1f %% of them are"
                                + " relevant, and they hold %.1f %% of all relevant ones. It is ",
                        threshold.score(), threshold.kept(), 100 * threshold.precision(), 100 * threshold.recall());
        return "<div class=\"figure\"><h3>" + what + "</h3>" + found + why + ".</p></div>";
    }

    private static String card(String title, String chart, String note) {
        return "<div class=\"card\"><h3>" + title + "</h3>" + chart + "<p class=\"quiet\">" + note + "</p></div>";
    }

    private String movers(Pictures pictures) {
        StringBuilder out = new StringBuilder();
        for (Moved list : moved) {
            CandidateList content = lists.get(list.id());
            Content query = content == null ? UNKNOWN : content.query();
            String instruction = content == null ? null : content.instruction();
            out.append("<div class=\"card wide mover\"><h3>")
                    .append(pictures(query, pictures))
                    .append(Html.shown(text(query, list.id()), 2 * TITLE))
                    .append(Html.format(
                            " <span class=\"%s\">%s %.3f → %.3f</span></h3><p class=\"quiet\">",
                            style(list.gain()), measures.headline(), list.before(), list.after()))
                    .append(Html.shown(list.id() + (instruction == null ? "" : " · " + instruction), 2 * TITLE))
                    .append("</p><div class=\"grid\">");
            places(out, "before", Objects.requireNonNull(list.query().before()), content, pictures);
            places(out, "after", list.query().after(), content, pictures);
            out.append("</div></div>");
        }
        return out.toString();
    }

    private void places(
            StringBuilder out,
            String title,
            List<RankedDocument> ranking,
            @Nullable CandidateList list,
            Pictures pictures) {
        out.append("<div><h4>").append(title).append("</h4><ol>");
        for (RankedDocument place : ranking.subList(0, Math.min(PLACES, ranking.size()))) {
            int was = place.retrievalRank();
            Content content = list == null || was < 1 || was > list.candidates().size()
                    ? UNKNOWN
                    : list.candidates().get(was - 1).content();
            String name = place.title() != null ? place.title() : text(content, place.id());
            out.append(measures.relevant(place) ? "<li class=\"hit\">" : "<li>")
                    .append(pictures(content, pictures))
                    .append("<span>")
                    .append(Html.shown(name, TITLE))
                    .append("<small>")
                    .append(place.relevance() == null ? "not judged" : "relevance " + place.relevance())
                    .append(place.score() == null ? "" : Html.format(" · score %.3f", place.score()))
                    .append(title.equals("after") && was > 0 ? " · was " + was : "")
                    .append("</small></span></li>");
        }
        out.append("</ol></div>");
    }

    private static String text(Content content, String otherwise) {
        return content.text() == null || content.text().isBlank() ? otherwise : content.text();
    }

    private static String pictures(Content content, Pictures pictures) {
        return content.images().stream().limit(2).map(pictures::show).collect(Collectors.joining());
    }

    private static String style(double gain) {
        return gain > 0 ? "up" : gain < 0 ? "down" : "quiet";
    }

    private static String template() throws IOException {
        try (InputStream in = Objects.requireNonNull(Report.class.getResourceAsStream(TEMPLATE), TEMPLATE)) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        }
    }
}
