package io.lychee.rerank.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.OutputFormat;
import io.lychee.rerank.domain.ListStatus;
import io.lychee.rerank.domain.RankedCandidate;
import io.lychee.rerank.domain.RerankedList;
import io.lychee.rerank.kafka.SourceRecord;
import io.lychee.rerank.records.AnswerEncoder;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class AnswerFileTest {

    private static final List<RankedCandidate> ALL = List.of(
            Samples.candidate("a", 1, 0.1, 0, null),
            Samples.candidate("b", 2, 0.9, null, null),
            Samples.candidate("c", 3, 0.5, 2, "red mug"),
            Samples.candidate("d", 4, 0.4, 1, null),
            Samples.candidate("e", 5, 0.45, 0, null));

    @TempDir
    private Path folder;

    @Test
    void resultsThenWhatWasLeftOutInRetrievalOrder() throws IOException {
        JudgedQuery query = read(Samples.json(answer("q", ListStatus.COMPLETE, 2)))
                .queries()
                .get(0);

        assertThat(query.before()).extracting(RankedDocument::id).containsExactly("a", "b", "c", "d", "e");
        assertThat(query.after()).extracting(RankedDocument::id).containsExactly("b", "c", "a", "d", "e");
        assertThat(query.after().get(1)).isEqualTo(new RankedDocument("c", "red mug", 3, 0.5, 2));
        assertThat(query.judged()).containsExactlyInAnyOrder(0, 2, 1, 0);
        assertThat(query.attributes()).containsEntry("group", "style");
    }

    @Test
    void theMostCompleteOfSeveralAnswersCounts() throws IOException {
        AnswerFile answers = read(Samples.json(answer("q", ListStatus.PARTIAL, 1))
                + Samples.json(answer("q", ListStatus.COMPLETE, 2))
                + Samples.json(answer("q", ListStatus.UNSCORED, 5)));
        assertThat(answers.queries()).hasSize(1);
        assertThat(answers.repeated()).isEqualTo(2);
        assertThat(answers.queries().get(0).after().get(1).id()).isEqualTo("c");
    }

    @Test
    void listsWithoutRelevanceAreLeftOutAndCounted() throws IOException {
        List<RankedCandidate> first = List.of(Samples.candidate("b", 1, 0.9, null, null));
        RerankedList blank = Samples.answer("blank", ListStatus.COMPLETE, first, 5, Map.of());
        AnswerFile answers = read(Samples.json(blank) + Samples.json(answer("q", ListStatus.COMPLETE, 5)));
        assertThat(answers.unjudged()).isEqualTo(1);
        assertThat(answers.queries()).extracting(JudgedQuery::id).containsExactly("q");
        refuses(Samples.json(blank), "answers:1: no answer of this file holds a candidate with a relevance");
    }

    @Test
    void tellsFileAndLine() {
        String good = Samples.json(answer("q", ListStatus.COMPLETE, 5));
        refuses("\n \n", "answers:1: the file is empty");
        refuses(good + "\nnonsense\n", "answers:3: no answer:");
        refuses("{\"request_id\":\"q\"}", "answers:1: no answer:");
        refuses(good.replace("\"retrieval_rank\":5", "\"retrieval_rank\":4"), "answers:1: retrieval_rank 4 of 5");
        refuses(good.replace("\"retrieval_rank\":5", "\"retrieval_rank\":6"), "answers:1: retrieval_rank 6 of 5");
        RerankedList large = Samples.answer("q", new Random(1), 400, 5, "x".repeat(300));
        byte[] shortened = new AnswerEncoder(OutputFormat.JSON, 80_000)
                .encode(large, SourceRecord.line("", 0, new byte[0], 0))
                .value;
        refuses(new String(shortened, StandardCharsets.UTF_8), "answers:1: this answer lost candidates", "left_out");
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3})
    void writtenRunsGiveTheSameNumbers(long seed) throws IOException {
        List<JudgedQuery> queries = read(Samples.lines(seed, 20)).queries();
        TrecRuns.write(folder.resolve("runs"), queries);
        List<JudgedQuery> again = TrecFiles.read(
                        folder.resolve("runs/qrels.txt"),
                        List.of(folder.resolve("runs/before.run"), folder.resolve("runs/after.run")),
                        false)
                .queries();

        Measures measures = new Measures(List.of(5, 10), 1);
        Bootstrap bootstrap = new Bootstrap(100, 1);
        Comparison expected = Comparison.of(queries, measures, bootstrap);
        Comparison actual = Comparison.of(again, measures, bootstrap);
        for (String name : measures.names()) {
            assertThat(actual.was(name)).isCloseTo(expected.was(name), within(1e-12));
            assertThat(actual.is(name)).isCloseTo(expected.is(name), within(1e-12));
        }
        for (String line : Files.readAllLines(folder.resolve("runs/after.run"))) {
            assertThat(line.split(" ", -1)).hasSize(6);
        }
    }

    @Test
    void idsThatRepeatOrHoldWhiteSpaceBecomePositions() throws IOException {
        List<RankedCandidate> all = List.of(
                Samples.candidate("red mug", 1, 0.1, 0, null),
                Samples.candidate("b", 2, 0.9, 1, null),
                Samples.candidate("b", 3, 0.5, -1, null));
        RerankedList answer = Samples.answer("q", ListStatus.COMPLETE, all, 5, Map.of());
        TrecRuns.write(folder, read(Samples.json(answer)).queries());
        assertThat(folder.resolve("after.run"))
                .hasContent("q Q0 position-2 1 3 after\nq Q0 position-3 2 2 after\nq Q0 position-1 3 1 after\n");
        assertThat(folder.resolve("qrels.txt")).hasContent("q 0 position-1 0\nq 0 position-2 1\nq 0 position-3 -1\n");
    }

    private static RerankedList answer(String id, ListStatus status, int topN) {
        return Samples.answer(id, status, ALL, topN, Map.of("group", "style"));
    }

    private AnswerFile read(String lines) throws IOException {
        return AnswerFile.read(Files.writeString(folder.resolve("answers"), lines));
    }

    private void refuses(String lines, String... told) {
        assertThatThrownBy(() -> read(lines))
                .isInstanceOf(ConfigException.class)
                .message()
                .contains(told);
    }
}
