package io.lychee.rerank.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Every number of every query that trec_eval printed; see the README beside the recordings. */
class TrecEvalTest {

    private static final Path FOLDER = Path.of("src/test/resources/trec");
    private static final Bootstrap NONE = new Bootstrap(1, 1);

    @ParameterizedTest
    @CsvSource({
        "first,.txt,false,1",
        "second,.txt,false,1",
        "first,.complete.txt,true,1",
        "second,.complete.txt,true,1",
        "first,.complete.level2.txt,true,2",
        "second,.complete.level2.txt,true,2",
    })
    void equalsTrecEval(String run, String recording, boolean complete, int level) throws IOException {
        Measures measures = new Measures(List.of(1, 5, 10, 20), level);
        List<JudgedQuery> queries = TrecFiles.read(
                        FOLDER.resolve("graded.qrels"), List.of(FOLDER.resolve(run + ".run")), complete)
                .queries();
        Map<String, Comparison> qualities = new LinkedHashMap<>();
        queries.forEach(query -> qualities.put(query.id(), Comparison.of(List.of(query), measures, NONE)));
        qualities.put("all", Comparison.of(queries, measures, NONE));

        int compared = 0;
        for (String line : Files.readAllLines(FOLDER.resolve(run + recording))) {
            String[] fields = line.split("\\s+", -1);
            Comparison quality = qualities.get(fields[1]);
            assertThat(quality).as(line).isNotNull();
            compared++;
            if (level > 1 && fields[0].equals("num_rel") && fields[1].equals("all")) {
                // with -c trec_eval's sum forgets the level, unlike its numbers of each query
                continue;
            }
            assertThat(quality.is(fields[0])).as(line).isCloseTo(Double.parseDouble(fields[2]), within(0.5001e-4));
        }
        // 17 numbers a query, and num_q once
        assertThat(compared).isEqualTo(17 * qualities.size() + 1);
    }
}
