package io.lychee.rerank.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lychee.rerank.config.ConfigException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TrecFilesTest {

    @TempDir
    private Path folder;

    private Path qrels;
    private Path run;

    @BeforeEach
    void files() throws IOException {
        qrels = Files.writeString(folder.resolve("qrels"), "q1 0 a 1\nq1 0 b 0\n");
        run = Files.writeString(folder.resolve("run"), "q1 Q0 a 1 2 me\nq1 Q0 b 2 1 me\n");
    }

    @Test
    void skipsBlankLinesAndTheCommentsOfRuns() throws IOException {
        Files.writeString(qrels, "\n \nq1\t0  a 1\r\n");
        Files.writeString(run, "\n#x\n \t# made by me\nq1 Q0 b 1 7 me\n q1 Q0 a 1 +.7e1 me");
        assertThat(ids()).containsExactly("b", "a");
    }

    @Test
    void aQueryOfQrelsMayBeginLikeAComment() throws IOException {
        Files.writeString(qrels, "#1 0 d1 1\n#1 0 d2 0\n#1 0 d3 2\nq2 0 d1 1\nq2 0 d4 0\n");
        Files.writeString(run, "#q1 Q0 d2 1 3.0 x\nq2 Q0 d4 1 2.0 x\nq2 Q0 d1 2 1.0 x\n");
        List<JudgedQuery> queries = TrecFiles.read(qrels, List.of(run), true).queries();
        assertThat(queries).extracting(JudgedQuery::id).containsExactly("#1", "q2");
        assertThat(queries.get(0).after()).isEmpty();
    }

    @Test
    void ordersBySimThenByBytesOfTheDocumentDescending() throws IOException {
        Files.writeString(run, """
                q1 Q0 a 1 1 me
                q1 Q0 \uffee 2 1 me
                q1 Q0 😀 3 1 me
                q1 Q0 B 4 0 me
                q1 Q0 c 5 -0.0 me
                q1 Q0 d10 6 1e2 me
                q1 Q0 d9 7 100 me
                """);
        assertThat(ids()).containsExactly("d9", "d10", "😀", "\uffee", "a", "c", "B");
    }

    @Test
    void takesUnjudgedAndNegativeAsIrrelevant() throws IOException {
        Files.writeString(qrels, "q1 0 a -1\nq1 0 b 2\n");
        Files.writeString(run, "q1 Q0 new 1 3 me\nq1 Q0 a 1 2 me\nq1 Q0 b 2 1 me\n");
        JudgedQuery query = TrecFiles.read(qrels, List.of(run), false).queries().get(0);
        assertThat(query.after()).extracting(RankedDocument::grade).containsExactly(0, 0, 2);
        assertThat(query.judged()).containsExactly(2);
    }

    @Test
    void comparesWhatBothRunsHaveOrAllThatIsJudged() throws IOException {
        Files.writeString(qrels, "q1 0 a 1\nq2 0 a 1\nq3 0 a 1\n");
        Path second = Files.writeString(folder.resolve("second"), "q1 Q0 a 1 2 me\nq3 Q0 a 1 1 me\n");
        TrecFiles.Shared shared = TrecFiles.read(qrels, List.of(run, second), false);
        assertThat(shared.queries()).extracting(JudgedQuery::id).containsExactly("q1");
        assertThat(shared.missing()).isEqualTo(2);
        TrecFiles.Shared all = TrecFiles.read(qrels, List.of(run, second), true);
        assertThat(all.queries()).extracting(JudgedQuery::id).containsExactly("q1", "q2", "q3");
        assertThat(all.queries().get(2).before()).isEmpty();
    }

    @Test
    void tellsFileAndLine() throws IOException {
        refuses(qrels, "q1 0 a 1\n\nq1 b 0\n", "qrels:3: 3 fields; expected 4");
        refuses(qrels, "q1 0 a 1\nq1 0 裙 1.5\n", "qrels:2: the relevance is \"1.5\"");
        refuses(qrels, "q1 0 a 1\nq1 0 裙 1\nq1 9 裙 1", "qrels:3: document \"裙\" of query \"q1\" is judged twice");
        refuses(qrels, "\n \n", "qrels:1: the file is empty");
        refuses(run, "q1 Q0 a 1 2\n", "run:1: 5 fields; expected 6");
        refuses(run, "q1 Q0 red mug 1 2 me\n", "run:1: 7 fields; expected 6");
        for (String sim : List.of("x", "NaN", "1e999", "1f", "0x1p3", "--1", "1,5")) {
            refuses(run, "q1 Q0 a 1 " + sim + " me\n", "run:1: the sim is \"" + sim + "\"");
        }
        refuses(run, "q1 Q0 a 1 2 me\nq2 Q0 a 1 2 me\nq1 Q0 a 2 1 me\n", "run:3: document \"a\" of query \"q1\"");
        refuses(run, "", "run:1: the file is empty");
        refuses(run, "7 Q0 a 1 2 me\n", "run:1: no query of this run is judged in", "qrels", "here 7, there q1");
    }

    private void refuses(Path file, String content, String... told) throws IOException {
        String before = Files.readString(file);
        Files.writeString(file, content);
        assertThatThrownBy(() -> TrecFiles.read(qrels, List.of(run), false))
                .isInstanceOf(ConfigException.class)
                .message()
                .contains(told)
                .doesNotContain("\n");
        Files.writeString(file, before);
    }

    private List<String> ids() throws IOException {
        return TrecFiles.read(qrels, List.of(run), false).queries().get(0).after().stream()
                .map(RankedDocument::id)
                .toList();
    }
}
