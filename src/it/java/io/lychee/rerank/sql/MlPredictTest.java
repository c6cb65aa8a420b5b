package io.lychee.rerank.sql;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.google.common.base.Throwables;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.config.SqlConfig;
import io.lychee.rerank.domain.Candidate;
import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.Content;
import io.lychee.rerank.domain.Image;
import io.lychee.rerank.domain.Lane;
import io.lychee.rerank.domain.ScoredList;
import io.lychee.rerank.engine.EngineKeys;
import io.lychee.rerank.engine.QwenEngineFactory;
import io.lychee.rerank.scoring.Arrival;
import io.lychee.rerank.scoring.EngineRegistry;
import io.lychee.rerank.scoring.ScoringException;
import io.lychee.rerank.scoring.TestingScorer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.types.Row;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** ML_PREDICT through Flink's planner, on a Flink of this process with the tiny checkpoint. */
@Timeout(240)
class MlPredictTest {

    private static final Path GOLDEN = Path.of("src/test/resources/golden").toAbsolutePath();
    private static final Map<String, String> MODEL = Map.of(
            "model.checkpoint",
            GOLDEN.resolve("checkpoint").toString(),
            "model.device",
            "cpu",
            "image.roots",
            GOLDEN.toString());
    private static final String OUTPUT = "id STRING, `rank` INT, retrieval_rank INT, score DOUBLE, reason STRING";

    private final TableEnvironment table = TableEnvironment.create(EnvironmentSettings.inStreamingMode());

    @Test
    void textsAndReferencesAreScoredAsByTheEngine() {
        model("query STRING, candidates ARRAY<ROW<id STRING, text STRING, image STRING>>", OUTPUT, Map.of());
        view(
                "'a mug' AS query, ARRAY[ROW('a', 'blue mug', CAST(NULL AS STRING)),"
                        + " ROW('b', CAST(NULL AS STRING), 'file:images/square.png'), ROW('c', 'photo', 'file:images/photo.jpg')]");

        assertRanked(
                predict(),
                List.of("a", "b", "c"),
                scores(
                        new Content("a mug", List.of()),
                        null,
                        new Content("blue mug", List.of()),
                        new Content(null, List.of(new Image.Reference("file:images/square.png"))),
                        new Content("photo", List.of(new Image.Reference("file:images/photo.jpg")))));
    }

    @Test
    @Tag("full")
    void bytesOnBothSidesAndTheInstructionCountToo() throws Exception {
        byte[] tiny = Files.readAllBytes(GOLDEN.resolve("images/tiny.png"));
        String bytes = "x'" + HexFormat.of().formatHex(tiny) + "'";
        model(
                "candidates ARRAY<ROW<image BYTES, id STRING>>, query ROW<text STRING, image BYTES>",
                OUTPUT,
                Map.of("instruction", "Find the same picture."));
        view("CAST(ROW('this', %s) AS ROW<text STRING, image BYTES>) AS query, ARRAY[ROW(%s, 'a'), ROW(%s, 'b')]"
                .formatted(bytes, bytes, bytes));

        Content picture = new Content(null, List.of(new Image.Bytes(tiny)));
        assertRanked(
                predict("candidates, query"),
                List.of("a", "b"),
                scores(
                        new Content("this", List.of(new Image.Bytes(tiny))),
                        "Find the same picture.",
                        picture,
                        picture));
    }

    @Test
    @Tag("full")
    void everyCandidateBecomesARowWhereRejectedOnesAreAskedFor() {
        String input = "query STRING, candidates ARRAY<ROW<id STRING, text STRING, image STRING,"
                + " attributes MAP<STRING, STRING>>>";
        String lists =
                "'a mug' AS query, ARRAY[ROW('none', CAST(NULL AS STRING), CAST(NULL AS STRING), MAP['sales', '1']),"
                        + " ROW('gone', 'mug', 'file:images/none.png', MAP['sales', '2']),"
                        + " ROW('data', 'mug', 'data:image/png;base64,!', MAP['sales', '3']),"
                        + " ROW('dropped', 'red mug', CAST(NULL AS STRING), MAP['sales', '9']),"
                        + " ROW(CAST(NULL AS STRING), 'blue mug', CAST(NULL AS STRING), MAP['sales', '5']),"
                        + " ROW('behind', 'mug', CAST(NULL AS STRING), MAP['sales', '6'])]";
        Map<String, String> options = Map.of("rules", "nine: sales > 8 -> drop", "list.max-candidates", "5");
        model(input, OUTPUT, options);
        view(lists);
        assertThat(predict())
                .singleElement()
                .satisfies(row -> assertThat(row.getField("id")).isNull());

        Map<String, String> more = new HashMap<>(options);
        more.put("rejected-rows", "true");
        model(input, OUTPUT, more);
        List<Row> rows = predict();

        assertThat(rows.stream()
                        .map(row -> row.getField("id") + " " + row.getField("rank") + " "
                                + row.getField("retrieval_rank") + " " + row.getField("reason")))
                .containsExactly(
                        "null 1 5 null",
                        "none null 1 EMPTY",
                        "gone null 2 IMAGE_NOT_FOUND",
                        "data null 3 IMAGE_UNREADABLE",
                        "behind null 6 TOO_MANY_CANDIDATES");
        assertThat(rows).filteredOn(row -> row.getField("score") == null).hasSize(4);
    }

    @Test
    @Tag("full")
    void atTheDeadlineRowsLeaveWithoutScores() {
        model(
                "query STRING, candidates ARRAY<ROW<id STRING, text STRING>>",
                OUTPUT,
                Map.of("lane", "backfill", "backfill.timeout", "1 ms", "top-n", "2", "cache.scores.max-entries", "0"));
        view("'a mug' AS query, ARRAY[ROW('a', 'mug'), ROW('b', 'cup'), ROW('c', 'lid')]");

        assertThat(predict().stream().map(Row::toString))
                .containsExactly("+I[list, a, 1, 1, null, DEADLINE]", "+I[list, b, 2, 2, null, DEADLINE]");
    }

    @Test
    @Tag("full")
    void listsWithoutQueryOrCandidatesAreNoFault() {
        model("query STRING, candidates ARRAY<ROW<id STRING, text STRING>>", OUTPUT, Map.of());
        view("CAST(NULL AS STRING) AS query, ARRAY[ROW('a', 'mug')]");
        assertThat(predict().toString()).isEqualTo("[+I[list, a, 1, 1, null, QUERY_EMPTY]]");

        view("'mug' AS query, CAST(NULL AS ARRAY<ROW<id STRING, text STRING>>)");
        assertThat(predict()).isEmpty();
    }

    @Test
    @Tag("full")
    void anUnknownCheckpointEndsTheJobWithItsName() {
        model(
                "query STRING, candidates ARRAY<ROW<id STRING, text STRING>>",
                OUTPUT,
                Map.of("model.checkpoint", "/no/such/folder"));
        view("'a mug' AS query, ARRAY[ROW('a', 'mug')]");
        table.getConfig().set("restart-strategy.type", "fixed-delay");
        table.getConfig().set("restart-strategy.fixed-delay.attempts", "1000000");

        assertThatThrownBy(this::predict)
                .satisfies(error -> assertThat(Throwables.getRootCause(error)).hasMessageContaining("/no/such/folder"));
    }

    /** The engine that the task finds breaks once; the one that it opens then is a real one. */
    @Test
    @Tag("full")
    void aDeadDeviceFailsTheTaskAndItsListsAreReplayed() {
        Map<String, String> options =
                Map.of("engine.on-death", "fail", "cache.images.max-bytes", "1 mb", "text.normalize", "true");
        Map<String, String> all = new HashMap<>(MODEL);
        all.putAll(options);
        QwenEngineFactory engines = new QwenEngineFactory(SqlConfig.of(all).rerank());
        TestingScorer broken = new TestingScorer();
        broken.failure = new ScoringException("as if the device had failed");
        long deaths = EngineRegistry.deaths();
        try (EngineRegistry.Lease first = EngineRegistry.lease(
                EngineKeys.of(engines), List.of("cpu"), device -> engines.open(encoder -> broken), Duration.ZERO)) {
            model("query STRING, candidates ARRAY<ROW<id STRING, text STRING>>", OUTPUT, options);
            view("'a mug' AS query, ARRAY[ROW('a', 'mug'), ROW('b', 'cup')]");
            table.getConfig().set("restart-strategy.type", "fixed-delay");
            table.getConfig().set("restart-strategy.fixed-delay.delay", "10 ms");
            table.getConfig().set("execution.checkpointing.interval", "100 ms");

            assertThat(predict()).hasSize(2).noneMatch(row -> row.getField("score") == null);
            assertThat(first.engine().isDead()).isTrue();
        }
        assertThat(EngineRegistry.deaths()).isEqualTo(deaths + 1);
    }

    private void model(String input, String output, Map<String, String> options) {
        Map<String, String> all = new HashMap<>(MODEL);
        all.putAll(options);
        table.executeSql("DROP MODEL IF EXISTS reranker");
        table.executeSql("CREATE MODEL reranker INPUT (%s) OUTPUT (%s) WITH ('provider' = 'lychee', %s)"
                .formatted(
                        input,
                        output,
                        all.entrySet().stream()
                                .map(option -> "'%s' = '%s'".formatted(option.getKey(), option.getValue()))
                                .collect(Collectors.joining(", "))));
    }

    private void view(String columns) {
        table.executeSql("DROP TEMPORARY VIEW IF EXISTS lists");
        table.executeSql("CREATE TEMPORARY VIEW lists AS SELECT 'list' AS name, " + columns + " AS candidates");
    }

    private List<Row> predict() {
        return predict("query, candidates");
    }

    private List<Row> predict(String columns) {
        List<Row> rows = new ArrayList<>();
        table.executeSql("SELECT name, id, `rank`, retrieval_rank, score, reason FROM ML_PREDICT(TABLE lists,"
                        + " MODEL reranker, DESCRIPTOR(" + columns + "))")
                .collect()
                .forEachRemaining(rows::add);
        return rows;
    }

    private static List<Double> scores(Content query, String instruction, Content... candidates) {
        List<Candidate> all = new ArrayList<>();
        for (Content content : candidates) {
            all.add(new Candidate("id", content, null, Map.of(), null));
        }
        CandidateList list = new CandidateList("q", instruction, Map.of(), query, all, null, null);
        try (EngineRegistry.Lease lease = new QwenEngineFactory(RerankConfig.of(MODEL)).lease()) {
            long now = System.currentTimeMillis();
            ScoredList scored =
                    lease.submit(list, new Arrival(Lane.REALTIME, now, now, 0)).join();
            return scored.scores().stream()
                    .map(score -> score.value().doubleValue())
                    .toList();
        }
    }

    /** Ranks run from 1 by descending score, and each candidate has its own. */
    private static void assertRanked(List<Row> rows, List<String> ids, List<Double> scores) {
        assertThat(rows).hasSize(ids.size());
        for (int i = 0; i < rows.size(); i++) {
            Row row = rows.get(i);
            int place = ids.indexOf(row.<String>getFieldAs("id"));
            assertThat(row.<Integer>getFieldAs("rank")).isEqualTo(i + 1);
            assertThat(row.<Integer>getFieldAs("retrieval_rank")).isEqualTo(place + 1);
            assertThat(row.<Double>getFieldAs("score")).isCloseTo(scores.get(place), within(1e-4));
            assertThat(row.getField("reason")).isNull();
            assertThat(row.<Double>getFieldAs("score"))
                    .isLessThanOrEqualTo(rows.get(Math.max(0, i - 1)).<Double>getFieldAs("score"));
        }
    }
}
