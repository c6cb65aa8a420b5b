package io.lychee.rerank.evaluation;

import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.function.Function;
import java.util.regex.Pattern;

/**
 * Writes qrels and runs that every tool reads the same way: six columns, and sims that fall by one from place to place,
 * so that nothing ties.
 */
public final class TrecRuns {

    private static final Pattern PLAIN = Pattern.compile("[^\\s\\p{Z}\\p{C}]+");

    private static final String BEFORE = "before.run";
    private static final String AFTER = "after.run";
    private static final String QRELS = "qrels.txt";

    /** Names the files that {@link #write} writes. */
    public static final List<String> FILES = List.of(BEFORE, AFTER, QRELS);

    private TrecRuns() {}

    /** Writes {@link #FILES}; earlier ones are replaced. */
    public static void write(Path folder, List<JudgedQuery> queries) throws IOException {
        Files.createDirectories(folder);
        run(folder.resolve(BEFORE), queries, query -> Objects.requireNonNull(query.before()));
        run(folder.resolve(AFTER), queries, JudgedQuery::after);
        try (BufferedWriter out = Files.newBufferedWriter(folder.resolve(QRELS))) {
            for (JudgedQuery query : queries) {
                boolean plain = idsArePlain(query);
                for (RankedDocument place : Objects.requireNonNull(query.before())) {
                    if (place.relevance() != null) {
                        out.write(query.id() + " 0 " + docno(place, plain) + " " + place.relevance() + "\n");
                    }
                }
            }
        }
    }

    private static void run(Path file, List<JudgedQuery> queries, Function<JudgedQuery, List<RankedDocument>> ranking)
            throws IOException {
        String name = file.getFileName().toString().replace(".run", "");
        try (BufferedWriter out = Files.newBufferedWriter(file)) {
            for (JudgedQuery query : queries) {
                boolean plain = idsArePlain(query);
                List<RankedDocument> places = ranking.apply(query);
                for (int i = 0; i < places.size(); i++) {
                    out.write("%s Q0 %s %d %d %s\n"
                            .formatted(query.id(), docno(places.get(i), plain), i + 1, places.size() - i, name));
                }
            }
        }
    }

    /** Candidates are told apart by position where an id repeats or would not be one field. */
    private static boolean idsArePlain(JudgedQuery query) {
        Set<String> ids = new HashSet<>();
        return query.after().stream()
                .allMatch(place -> PLAIN.matcher(place.id()).matches() && ids.add(place.id()));
    }

    private static String docno(RankedDocument place, boolean plain) {
        return plain ? place.id() : "position-" + place.retrievalRank();
    }
}
