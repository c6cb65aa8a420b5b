package io.lychee.rerank.sql;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.base.Throwables;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.config.SqlConfig;
import io.lychee.rerank.engine.EngineKeys;
import io.lychee.rerank.engine.QwenEngineFactory;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Collectors;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.ExplainDetail;
import org.apache.flink.table.api.TableEnvironment;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What Flink's planner says to a model's statement; nothing runs. */
class ModelStatementTest {

    private static final String QUERY = "query STRING";
    private static final String CANDIDATES = "candidates ARRAY<ROW<id STRING, text STRING, image STRING>>";
    private static final String OUTPUT = "id STRING, `rank` INT, score DOUBLE";

    private static TableEnvironment table;

    @BeforeAll
    static void start() {
        table = TableEnvironment.create(EnvironmentSettings.inStreamingMode());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "query STRING | candidates ARRAY<ROW<id STRING, text STRING>>",
                "query VARCHAR(20) | candidates ARRAY<ROW<image BYTES, id CHAR(3) NOT NULL>>",
                "query ROW<text STRING, image STRING> | candidates ARRAY<ROW<id STRING, image STRING>>",
                "query ROW<image BYTES> | candidates ARRAY<ROW<attributes MAP<STRING, STRING>, text STRING, id STRING>>"
            })
    void formsOfInputArePlanned(String query, String candidates) {
        String plan = plan(query, candidates, OUTPUT, Map.of("model.checkpoint", "none"), "");

        assertThat(plan).contains("MLPredictTableFunction");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "query INT | INPUT column query is INT; expected STRING, or ROW<text STRING, image STRING or BYTES>",
                "query ROW<words STRING> | INPUT column query is ROW<`words` STRING>; expected STRING, or ROW<text",
                "q STRING | INPUT has the columns [q, candidates]; expected query STRING, or ROW<text",
                "query ROW<id STRING, text STRING> | INPUT column query is ROW<`id` STRING, `text` STRING>; expected",
            })
    void aQueryOfAnotherFormIsRefused(String query, String message) {
        assertThat(refusal(query, CANDIDATES, OUTPUT, Map.of("model.checkpoint", "none"), ""))
                .contains(message);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "candidates ARRAY<STRING> | INPUT column candidates is ARRAY<STRING>; expected ARRAY<ROW<id STRING, text",
                "candidates ARRAY<ROW<text STRING>> | INPUT column candidates is ARRAY<ROW<`text` STRING>>; expected",
                "candidates ARRAY<ROW<id INT, text STRING>> | is ARRAY<ROW<`id` INT, `text` STRING>>; expected",
                "candidates ARRAY<ROW<id STRING>> | expected ARRAY<ROW<id STRING, text STRING, image STRING or BYTES",
                "candidates ARRAY<ROW<id STRING, img STRING>> | with id and one of text and image"
            })
    void candidatesOfAnotherFormAreRefused(String candidates, String message) {
        assertThat(refusal(QUERY, candidates, OUTPUT, Map.of("model.checkpoint", "none"), ""))
                .contains(message);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "id STRING, score FLOAT | OUTPUT has the column score FLOAT; expected some of id STRING, rank INT,",
                "id STRING, score DOUBLE NOT NULL | OUTPUT has the column score DOUBLE NOT NULL; expected some of id",
                "id STRING, place INT | OUTPUT has the column place INT; expected some of id STRING, rank INT, retrieval"
            })
    void anOutputOfAnotherFormIsRefused(String output, String message) {
        assertThat(refusal(QUERY, CANDIDATES, output, Map.of("model.checkpoint", "none"), ""))
                .contains(message);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "top-n=3 | model.checkpoint is not set; it has no default",
                "model.checkpoint=a, topn=3 | unknown key topn; did you mean top-n?",
                "model.checkpoint=a, top-n=many | top-n is many; expected a whole number",
                "model.checkpoint=a, lane=urgent | lane is urgent; expected one of [realtime, backfill]",
                "model.checkpoint=a, kafka.group-id=g | option kafka.group-id has no effect on a SQL model",
                "model.checkpoint=a, realtime.capacity=9 | option realtime.capacity has no effect on a SQL model",
                "endpoint=http://gateway:8080, model.checkpoint=a | option model.checkpoint has no effect on a SQL model with",
                "endpoint=gateway:8080 | endpoint is gateway:8080; expected an address such as http://gateway:8080",
                "model.checkpoint=a, rejected-rows=true | rejected-rows is true, and OUTPUT has no column reason",
                "model.checkpoint=a, rules=none | rules",
                "model.checkpoint=a, lane=backfill | backfill.timeout is 0 s; expected more than 0, and at most 179 s",
                "model.checkpoint=a, realtime.timeout=180 s | realtime.timeout is 180 s; expected more than 0, and at most 179"
            })
    void anOptionThatDoesNotFitIsRefused(String options, String message) {
        Map<String, String> with = new LinkedHashMap<>();
        for (String option : options.split(", ", -1)) {
            with.put(option.replaceFirst("=.*", ""), option.replaceFirst(".*?=", ""));
        }

        assertThat(refusal(QUERY, CANDIDATES, OUTPUT, with, "")).contains(message);
    }

    @Test
    void theTimeoutOfACallCountsMoreThanThatOfTheSession() {
        Map<String, String> options = Map.of("model.checkpoint", "none", "realtime.timeout", "20 s");

        assertThat(refusal(QUERY, CANDIDATES, OUTPUT, options, ", MAP['timeout', '20 s']"))
                .contains("at most 19 s");
        table.getConfig().set("table.exec.async-ml-predict.timeout", "20 s");
        assertThat(refusal(QUERY, CANDIDATES, OUTPUT, options, "")).contains("at most 19 s");
        assertThat(plan(QUERY, CANDIDATES, OUTPUT, options, ", MAP['timeout', '21 s']"))
                .contains("MLPredictTableFunction");
        table.getConfig().set("table.exec.async-ml-predict.timeout", "3 min");
    }

    /** Other keys, such as the deadline and what to do when a device dies, are not the network's. */
    @Test
    void modelsShareTheNetworkOfAJob() {
        Map<String, String> keys = Map.of("model.checkpoint", "src/test/resources/golden/checkpoint");
        Map<String, String> options = new HashMap<>(keys);
        options.putAll(Map.of("instruction", "Find it.", "top-n", "3", "lane", "backfill", "backfill.timeout", "9 s"));

        assertThat(network(SqlConfig.of(options).rerank())).isEqualTo(network(RerankConfig.of(keys)));
        options.put("text.normalize", "true");
        assertThat(network(SqlConfig.of(options).rerank())).isNotEqualTo(network(RerankConfig.of(keys)));
    }

    private static Object network(RerankConfig config) {
        return EngineKeys.of(new QwenEngineFactory(config)).network();
    }

    private String refusal(String query, String candidates, String output, Map<String, String> options, String config) {
        String[] message = new String[1];
        assertThatThrownBy(() -> plan(query, candidates, output, options, config))
                .satisfies(error -> message[0] = Throwables.getRootCause(error).getMessage());
        return message[0];
    }

    private String plan(String query, String candidates, String output, Map<String, String> options, String config) {
        table.executeSql("DROP MODEL IF EXISTS reranker");
        table.executeSql("DROP TABLE IF EXISTS lists");
        table.executeSql("CREATE MODEL reranker INPUT (%s, %s) OUTPUT (%s) WITH (%s)"
                .formatted(
                        query,
                        candidates,
                        output,
                        "'provider' = 'lychee'"
                                + options.entrySet().stream()
                                        .map(option -> ", '%s' = '%s'".formatted(option.getKey(), option.getValue()))
                                        .collect(Collectors.joining())));
        table.executeSql("CREATE TABLE lists (%s, %s) WITH ('connector' = 'datagen')".formatted(query, candidates));
        return table.explainSql(
                "SELECT * FROM ML_PREDICT(TABLE lists, MODEL reranker, DESCRIPTOR(%s, candidates)%s)"
                        .formatted(query.split(" ", 2)[0], config),
                ExplainDetail.JSON_EXECUTION_PLAN);
    }
}
