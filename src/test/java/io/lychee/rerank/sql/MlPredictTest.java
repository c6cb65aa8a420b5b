package io.lychee.rerank.sql;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.types.Row;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** ML_PREDICT through Flink's planner and a Flink of this process, with a golden checkpoint. */
@Timeout(120)
class MlPredictTest {

    @Test
    void oneRowInRankedRowsOut() {
        TableEnvironment table = TableEnvironment.create(EnvironmentSettings.inStreamingMode());
        table.executeSql("""
                CREATE MODEL reranker
                INPUT (query STRING, candidates ARRAY<ROW<id STRING, text STRING, image STRING>>)
                OUTPUT (id STRING, `rank` INT, score DOUBLE)
                WITH ('provider' = 'lychee', 'model.checkpoint' = 'src/test/resources/golden/checkpoint',
                  'model.device' = 'cpu', 'top-n' = '2')
                """);
        table.executeSql("""
                CREATE TEMPORARY VIEW lists AS SELECT 'q1' AS name, 'a mug' AS query,
                  ARRAY[ROW('a', 'blue mug', CAST(NULL AS STRING)), ROW('b', 'red chair', CAST(NULL AS STRING)),
                    ROW('c', 'lamp', CAST(NULL AS STRING))] AS candidates
                """);
        List<Row> rows = new ArrayList<>();
        table.executeSql("SELECT name, id, `rank`, score FROM ML_PREDICT(TABLE lists, MODEL reranker,"
                        + " DESCRIPTOR(query, candidates))")
                .collect()
                .forEachRemaining(rows::add);

        assertThat(rows).hasSize(2);
        System.out.println(rows);
    }
}
