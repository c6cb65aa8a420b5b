package io.lychee.rerank.evaluation;

import com.google.errorprone.annotations.FormatMethod;
import com.google.errorprone.annotations.FormatString;
import io.lychee.rerank.config.ConfigException;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.StringTokenizer;
import java.util.TreeMap;
import java.util.regex.Pattern;

/** TREC qrels and runs, ranked as trec_eval ranks them: sim descending, ties by docno descending, bytewise. */
public final class TrecFiles {

    /*
     * Files are read as ISO 8859-1 so that comparing strings compares bytes, as strcmp does; ids become UTF-8 once
     * everything is sorted.
     */

    private static final String SPACE = " \t\u000B\f\r";
    private static final Pattern NUMBER = Pattern.compile("[-+]?(\\d+\\.?\\d*|\\.\\d+)([eE][-+]?\\d+)?");
    private static final Pattern GRADE = Pattern.compile("[-+]?\\d{1,9}");
    private static final String QRELS_LINE = "query, iteration, document, relevance";
    private static final String RUN_LINE = "query, Q0, document, rank, sim, run";

    private record Retrieved(String document, double sim) {}

    private static final Comparator<Retrieved> RANKING = Comparator.comparingDouble(Retrieved::sim)
            .thenComparing(Retrieved::document)
            .reversed();

    /**
     * Queries that qrels and runs share.
     *
     * @param missing judged queries left out because a run lacks them
     */
    public record Shared(List<JudgedQuery> queries, int missing) {}

    private TrecFiles() {}

    /**
     * The queries that qrels and runs share, in the order of their ids.
     *
     * @param runs one, or two: before and after
     * @param complete also takes the queries that a run lacks, as one that found nothing
     * @throws ConfigException when a file can't be read or no query is shared
     */
    public static Shared read(Path qrelsFile, List<Path> runs, boolean complete) throws IOException {
        Map<String, Map<String, Integer>> qrels = qrels(qrelsFile);
        List<Map<String, List<Retrieved>>> found = new ArrayList<>();
        for (Path run : runs) {
            found.add(run(run));
            if (Collections.disjoint(found.get(found.size() - 1).keySet(), qrels.keySet())) {
                throw new ConfigException("%s:1: no query of this run is judged in %s (here %s, there %s, for example)"
                        .formatted(run, qrelsFile, any(found.get(found.size() - 1)), any(qrels)));
            }
        }
        List<JudgedQuery> queries = new ArrayList<>();
        qrels.forEach((query, grades) -> {
            if (complete || found.stream().allMatch(run -> run.containsKey(query))) {
                queries.add(judge(query, grades, found));
            }
        });
        if (queries.isEmpty()) {
            throw new ConfigException(runs.get(1) + ":1: no judged query is in both runs, this one and " + runs.get(0));
        }
        return new Shared(queries, qrels.size() - queries.size());
    }

    /**
     * Reads qrels alone: query, document, grade.
     *
     * @throws ConfigException when a line is no judgement
     */
    public static Map<String, Map<String, Integer>> judgements(Path qrelsFile) throws IOException {
        Map<String, Map<String, Integer>> judgements = new HashMap<>();
        qrels(qrelsFile).forEach((query, grades) -> {
            Map<String, Integer> documents = new HashMap<>();
            grades.forEach((document, grade) -> documents.put(utf8(document), grade));
            judgements.put(utf8(query), documents);
        });
        return judgements;
    }

    private static JudgedQuery judge(
            String query, Map<String, Integer> grades, List<Map<String, List<Retrieved>>> runs) {
        List<Retrieved> first = runs.get(0).getOrDefault(query, List.of());
        Map<String, Integer> ranks = new HashMap<>();
        first.forEach(retrieved -> ranks.put(retrieved.document(), ranks.size() + 1));
        List<RankedDocument> before = places(first, grades, ranks);
        List<Integer> judged =
                grades.values().stream().filter(grade -> grade >= 0).toList();
        return runs.size() == 1
                ? new JudgedQuery(utf8(query), Map.of(), null, before, judged)
                : new JudgedQuery(
                        utf8(query),
                        Map.of(),
                        before,
                        places(runs.get(1).getOrDefault(query, List.of()), grades, ranks),
                        judged);
    }

    private static List<RankedDocument> places(
            List<Retrieved> run, Map<String, Integer> grades, Map<String, Integer> ranksBefore) {
        return run.stream()
                .map(retrieved -> new RankedDocument(
                        utf8(retrieved.document()),
                        null,
                        ranksBefore.getOrDefault(retrieved.document(), 0),
                        retrieved.sim(),
                        grades.get(retrieved.document())))
                .toList();
    }

    private static Map<String, Map<String, Integer>> qrels(Path file) throws IOException {
        Map<String, Map<String, Integer>> qrels = new TreeMap<>();
        eachLine(file, QRELS_LINE, 4, false, (line, fields) -> {
            if (!GRADE.matcher(fields[3]).matches()) {
                throw wrong(file, line, "the relevance is \"%s\"; expected a whole number", fields[3]);
            }
            Map<String, Integer> grades = qrels.computeIfAbsent(fields[0], q -> new HashMap<>());
            if (grades.put(fields[2], Integer.valueOf(fields[3])) != null) {
                throw wrong(file, line, "document \"%s\" of query \"%s\" is judged twice", fields[2], fields[0]);
            }
        });
        return qrels;
    }

    private static Map<String, List<Retrieved>> run(Path file) throws IOException {
        Map<String, List<Retrieved>> run = new HashMap<>();
        Map<String, Set<String>> seen = new HashMap<>();
        eachLine(file, RUN_LINE, 6, true, (line, fields) -> {
            double sim = NUMBER.matcher(fields[4]).matches() ? Double.parseDouble(fields[4]) : Double.NaN;
            if (!Double.isFinite(sim)) {
                throw wrong(file, line, "the sim is \"%s\"; expected a finite number", fields[4]);
            }
            if (!seen.computeIfAbsent(fields[0], q -> new HashSet<>()).add(fields[2])) {
                throw wrong(file, line, "document \"%s\" of query \"%s\" is ranked twice", fields[2], fields[0]);
            }
            // −0 and 0 tie
            run.computeIfAbsent(fields[0], q -> new ArrayList<>()).add(new Retrieved(fields[2], sim + 0.0));
        });
        run.values().forEach(ranking -> ranking.sort(RANKING));
        return run;
    }

    private interface Line {
        void take(int number, String[] fields);
    }

    /** @param comments passes over lines that begin with #, as trec_eval does in runs; a query of qrels may */
    private static void eachLine(Path file, String expected, int count, boolean comments, Line line)
            throws IOException {
        int number = 0;
        boolean any = false;
        try (BufferedReader reader = Files.newBufferedReader(file, StandardCharsets.ISO_8859_1)) {
            for (String text = reader.readLine(); text != null; text = reader.readLine()) {
                number++;
                StringTokenizer tokens = new StringTokenizer(text, SPACE);
                int found = tokens.countTokens();
                String[] fields = new String[count];
                fields[0] = found == 0 ? "" : tokens.nextToken();
                if (found == 0 || (comments && fields[0].startsWith("#"))) {
                    continue;
                }
                if (found != count) {
                    throw wrong(file, number, "%d fields; expected %d: %s", found, count, expected);
                }
                for (int i = 1; i < count; i++) {
                    fields[i] = tokens.nextToken();
                }
                any = true;
                line.take(number, fields);
            }
        }
        if (!any) {
            throw wrong(file, 1, "the file is empty; expected lines of %s", expected);
        }
    }

    @FormatMethod
    private static ConfigException wrong(Path file, int line, @FormatString String message, Object... found) {
        // what was found is still Latin
        return new ConfigException(file + ":" + line + ": " + utf8(message.formatted(found)));
    }

    private static String any(Map<String, ?> queries) {
        return utf8(queries.keySet().iterator().next());
    }

    private static String utf8(String latin) {
        return new String(latin.getBytes(StandardCharsets.ISO_8859_1), StandardCharsets.UTF_8);
    }
}
