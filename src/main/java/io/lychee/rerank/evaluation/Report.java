package io.lychee.rerank.evaluation;

import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.Content;
import io.lychee.rerank.evaluation.Calibration.Threshold;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
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
        Map<String, Object> page = new HashMap<>();
        page.put("heading", "Ranking quality");
        page.put("source", source);
        page.put("headline", measures.headline());
        page.put("figures", rows(List.of(measures.headline(), "recip_rank", "map"), 3, "one query"));
        page.put("measures", rows(measures.names(), 4, "–"));
        page.put("queries", quality.queries());
        page.put("retrieved", Html.format("%.0f", quality.is("num_ret")));
        page.put("relevant", Html.format("%.0f", quality.is("num_rel")));
        page.put("groups", groups());
        page.put("scores", scores == null || scores.pairs() == 0 ? List.of() : scores(scores));
        page.put("movers", moved.stream().map(list -> mover(list, pictures)).toList());
        page.put("pictures", pictures.css());
        return Html.fill("report.html", page);
    }

    private List<Map<String, Object>> rows(List<String> names, int digits, String noInterval) {
        String number = "%." + digits + "f";
        String signed = "%+." + digits + "f";
        return names.stream()
                .map(name -> {
                    PairedDifference gain = quality.gain(name);
                    return Map.<String, Object>of(
                            "name", name,
                            "before", Html.format(number, quality.was(name)),
                            "after", Html.format(number, quality.is(name)),
                            "style", style(gain.mean()),
                            "gain", Html.format(signed, gain.mean()),
                            "interval", gain.interval(signed, noInterval),
                            "p", Html.format(number, gain.p()));
                })
                .toList();
    }

    private List<Map<String, String>> groups() {
        List<Map<String, String>> groups = new ArrayList<>();
        by.forEach((attribute, values) -> {
            Map<String, Comparison> rows = new LinkedHashMap<>();
            rows.put("all lists", quality);
            values.entrySet().stream().limit(MAX_GROUPS).forEach(group -> rows.put(group.getKey(), group.getValue()));
            groups.add(Map.of("name", Html.cut(attribute, TITLE), "chart", Charts.gains(rows, measures.headline())));
        });
        return groups;
    }

    private static Map<String, Object> scores(Calibration scores) {
        return Map.of(
                "pairs", scores.pairs(),
                "relevant", scores.countRelevant(),
                "distributions", Charts.distributions(scores),
                "reliability", Charts.reliability(scores),
                "error", Html.format("%.3f", scores.calibrationError()),
                "thresholds", Charts.thresholds(scores),
                "rules", scores.rules(),
                "suggestions",
                        List.of(
                                suggestion("Drop below", scores.drop(), "the highest that keeps 95 % of the relevant"),
                                suggestion(
                                        "Boost from",
                                        scores.boost(),
                                        "the lowest at which 90 % are relevant, if above the other")));
    }

    private static Map<String, String> suggestion(String name, @Nullable Threshold threshold, String why) {
        return threshold == null
                ? Map.of("name", name, "score", "–", "what", "No score qualifies.", "why", why)
                : Map.of(
                        "name",
                        name,
                        "score",
                        Html.format("%.3f", threshold.score()),
                        "what",
                        Html.format(
                                "%d candidates score at least that; %.1f %% of them are relevant, and they hold %.1f %%"
                                        + " of all relevant ones.",
                                threshold.kept(), 100 * threshold.precision(), 100 * threshold.recall()),
                        "why",
                        why);
    }

    private Map<String, Object> mover(Moved list, Pictures pictures) {
        CandidateList content = lists.get(list.id());
        Content query = content == null ? UNKNOWN : content.query();
        String instruction = content == null ? null : content.instruction();
        return Map.of(
                "pictures", pictures(query, pictures),
                "query", Html.cut(text(query, list.id()), 2 * TITLE),
                "style", style(list.gain()),
                "before", Html.format("%.3f", list.before()),
                "after", Html.format("%.3f", list.after()),
                "caption", Html.cut(list.id() + (instruction == null ? "" : " · " + instruction), 2 * TITLE),
                "rankings",
                        List.of(
                                ranking(
                                        "before",
                                        Objects.requireNonNull(list.query().before()),
                                        content,
                                        pictures),
                                ranking("after", list.query().after(), content, pictures)));
    }

    private Map<String, Object> ranking(
            String title, List<RankedDocument> ranking, @Nullable CandidateList list, Pictures pictures) {
        List<Map<String, String>> places = new ArrayList<>();
        for (RankedDocument place : ranking.subList(0, Math.min(PLACES, ranking.size()))) {
            int was = place.retrievalRank();
            Content content = list == null || was < 1 || was > list.candidates().size()
                    ? UNKNOWN
                    : list.candidates().get(was - 1).content();
            String name = place.title() != null ? place.title() : text(content, place.id());
            String note = (place.relevance() == null ? "not judged" : "relevance " + place.relevance())
                    + (place.score() == null ? "" : Html.format(" · score %.3f", place.score()))
                    + (title.equals("after") && was > 0 ? " · was " + was : "");
            places.add(Map.of(
                    "style",
                    measures.relevant(place) ? "hit" : "",
                    "pictures",
                    pictures(content, pictures),
                    "name",
                    Html.cut(name, TITLE),
                    "note",
                    note));
        }
        return Map.of("title", title, "places", places);
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
}
