package io.lychee.rerank.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.lychee.rerank.evaluation.Samples;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class EvaluateCommandTest {

    private static final String QRELS = "src/test/resources/trec/graded.qrels";
    private static final String RUN = "src/test/resources/trec/first.run";
    private static final String SECOND = "src/test/resources/trec/second.run";

    @TempDir
    private Path folder;

    @Test
    void oneRunAsTrecEvalHasIt() throws IOException {
        JsonNode figures = json("--qrels", QRELS, "--run", RUN);
        assertThat(figures.path("queries").asInt()).isEqualTo(10);
        // trec_eval's, see resources/trec
        assertThat(round(figures.at("/run/map"))).isEqualTo("0.1191");
        assertThat(round(figures.at("/run/ndcg_cut_10"))).isEqualTo("0.1704");
        assertThat(figures.at("/run/num_rel_ret").asInt()).isEqualTo(38);
        assertThat(figures.has("gain")).isFalse();

        JsonNode complete = json("--qrels", QRELS, "--run", RUN, "--complete");
        assertThat(round(complete.at("/run/map"))).isEqualTo("0.0992");
        assertThat(complete.at("/run/num_q").asInt()).isEqualTo(12);
    }

    @Test
    void twoRunsAreBeforeAndAfter() throws IOException {
        JsonNode figures = json("--qrels", QRELS, "--run", RUN, "--run", SECOND, "--complete", "--k", "3");
        assertThat(round(figures.at("/before/map"))).isEqualTo("0.0992");
        assertThat(figures.at("/gain/ndcg_cut_3/low").asDouble())
                .isLessThan(figures.at("/gain/ndcg_cut_3/high").asDouble());
        assertThat(figures.has("by")).isFalse();
    }

    @Test
    void listsWithGroupsThresholdsRunsAndReport() throws IOException {
        Path lists = Files.writeString(folder.resolve("answers.jsonl"), Samples.lines(11, 30));
        Path report = folder.resolve("new/report.html");

        JsonNode figures = json(
                "--lists",
                lists.toString(),
                "--by",
                "group",
                "--by",
                "mode",
                "--write-runs",
                folder.resolve("runs").toString(),
                "--report",
                report.toString());

        assertThat(figures.fieldNames())
                .toIterable()
                .containsExactly("queries", "before", "after", "gain", "by", "thresholds", "calibration");
        assertThat(figures.at("/gain/map/mean").asDouble()).isPositive();
        assertThat(figures.at("/by/group/group 0/before").has("ndcg_cut_10")).isTrue();
        assertThat(figures.at("/by/mode").size()).isZero();
        assertThat(figures.at("/thresholds/drop/recall").asDouble()).isGreaterThanOrEqualTo(0.95);
        assertThat(figures.at("/calibration/pairs").asInt()).isPositive();
        assertThat(report).content().contains("Gain of ndcg_cut_10 by group");

        JsonNode again = json(
                "--qrels",
                folder.resolve("runs/qrels.txt").toString(),
                "--run",
                folder.resolve("runs/before.run").toString(),
                "--run",
                folder.resolve("runs/after.run").toString());
        assertThat(round(again.at("/after/map"))).isEqualTo(round(figures.at("/after/map")));
    }

    @Test
    void aTableForPeople() throws IOException {
        Path lists = Files.writeString(folder.resolve("answers.jsonl"), Samples.lines(11, 30));
        Cli run = Cli.run("evaluate", "--lists", lists.toString());
        assertThat(run.exitCode()).isZero();
        assertThat(run.out())
                .contains("30 queries", "ndcg_cut_10 by group", "group 2 (", "drop below", "95 % interval");
    }

    @Test
    void twoAnswerFilesAreCompared() throws IOException {
        String base = Files.writeString(folder.resolve("a.jsonl"), Samples.lines(11, 30))
                .toString();
        String other = Files.writeString(folder.resolve("b.jsonl"), Samples.lines(11, 20) + Samples.lines(12, 1))
                .toString();
        Path report = folder.resolve("new/agreement.html");

        Cli run = Cli.run("evaluate", "--compare", base, other, "--report", report.toString());
        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(run.err()).contains("1 answers are left out", "report: ");
        assertThat(run.out())
                .contains("A: a.jsonl, B: b.jsonl; 20 lists", "Kendall's tau", "20 lists judged alike")
                .containsPattern("lists in A alone +10 +q-20, q-21, q-22, q-23, q-24, …");
        assertThat(report).content().contains("Agreement of two answer files", "<svg");

        JsonNode figures = json("--compare", base, base);
        assertThat(figures.at("/lists").asInt()).isEqualTo(30);
        assertThat(figures.at("/error/max").asDouble()).isZero();
        assertThat(figures.at("/tau/mean").asDouble()).isEqualTo(1);
        assertThat(figures.at("/quality/after/ndcg_cut_10"))
                .isEqualTo(json("--lists", base).at("/after/ndcg_cut_10"));

        json("--lists", base, "--write-runs", folder.resolve("runs").toString());
        String qrels = folder.resolve("runs/qrels.txt").toString();
        assertThat(json("--compare", base, base, "--qrels", qrels).path("quality"))
                .isEqualTo(figures.path("quality"));
        JsonNode unjudged = json("--compare", base, base, "--qrels", QRELS);
        assertThat(unjudged.path("quality").isNull()).isTrue();
    }

    @Test
    void filesThatCannotBeCompared() throws IOException {
        String good = Files.writeString(folder.resolve("good.jsonl"), Samples.lines(11, 1))
                .toString();
        Path bad = Files.writeString(folder.resolve("bad.jsonl"), "{}\n");
        fails(1, bad + ":1: no answer", "--compare", good, bad.toString());
        fails(1, "(--compare)", "--compare", good, folder.resolve("none").toString());
        Path strange = Files.writeString(
                folder.resolve("strange.jsonl"), Samples.lines(11, 1).replace("q-0", "r-0"));
        fails(1, "no list in common (here q-0, there r-0", "--compare", good, strange.toString());
        fails(1, "is an input", "--compare", good, good, "--report", good);
    }

    @Test
    void wrongFilesAreOneMessage() throws IOException {
        Path bad = Files.writeString(folder.resolve("bad"), "q1 0 d1\n");
        fails(1, bad + ":1: 3 fields; expected 4", "--qrels", bad.toString(), "--run", RUN);
        fails(
                1,
                folder.resolve("none").toString(),
                "--lists",
                folder.resolve("none").toString());
        fails(1, "--lists", "--lists", folder.toString());
        Path broken = Files.writeString(folder.resolve("broken.jsonl"), "{\n");
        fails(1, broken + ":1: no answer", "--lists", broken.toString());
    }

    @Test
    void wrongUse() {
        fails(2, "either --lists");
        fails(2, "either --lists", "--lists", "a", "--qrels", QRELS, "--run", RUN);
        fails(2, "belong together", "--qrels", QRELS);
        fails(2, "belong together", "--run", RUN);
        fails(2, "at most two", "--qrels", QRELS, "--run", RUN, "--run", RUN, "--run", RUN);
        fails(2, "--k", "--qrels", QRELS, "--run", RUN, "--k", "5,0");
        fails(2, "--k", "--qrels", QRELS, "--run", RUN, "--k", "ten");
        fails(2, "--by", "--qrels", QRELS, "--run", RUN, "--by", "group");
        fails(2, "--complete", "--lists", "a", "--complete");
        fails(2, "--input", "--lists", "a", "--input", "b");
        fails(2, "--report", "--qrels", QRELS, "--run", RUN, "--report", "r.html");
        fails(2, "--compare", "--compare", "a");
        fails(2, "two files, once", "--compare", "a", "b", "--compare", "c", "d");
        fails(2, "--lists can't be used with --compare", "--compare", "a", "b", "--lists", "a");
        fails(2, "--k can't be used with --compare", "--compare", "a", "b", "--k", "5");
    }

    private static JsonNode json(String... args) throws IOException {
        String[] all = new String[args.length + 2];
        all[0] = "evaluate";
        System.arraycopy(args, 0, all, 1, args.length);
        all[args.length + 1] = "--json";
        Cli run = Cli.run(all);
        assertThat(run.exitCode()).as(run.err()).isZero();
        return new ObjectMapper().readTree(run.out());
    }

    private static void fails(int exitCode, String told, String... args) {
        String[] all = new String[args.length + 1];
        all[0] = "evaluate";
        System.arraycopy(args, 0, all, 1, args.length);
        Cli run = Cli.run(all);
        assertThat(run.exitCode()).as(run.err()).isEqualTo(exitCode);
        assertThat(run.err()).contains(told).doesNotContain("\tat ");
        assertThat(run.out()).isEmpty();
        if (exitCode == 1) {
            assertThat(run.err().strip().lines()).hasSize(1);
        }
    }

    private static String round(JsonNode number) {
        return String.format(Locale.ROOT, "%.4f", number.asDouble());
    }

    /** Inputs, links and devices are left as they are, before anything is computed. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            --report     | answers.jsonl | is an input
            --report     | other/answers.jsonl | is an input
            --report     | link.html | is a symbolic link
            --report     | /dev/null | is a device, pipe or socket
            --write-runs | linked | is a symbolic link
            --write-runs | given | is an input
            """)
    void nothingElseIsReplaced(String option, String path, String message) throws Exception {
        Path answers = Files.writeString(folder.resolve("answers.jsonl"), "{}");
        Files.createSymbolicLink(folder.resolve("other"), folder);
        Files.createSymbolicLink(folder.resolve("link.html"), folder.resolve("page.html"));
        Files.createSymbolicLink(
                Files.createDirectory(folder.resolve("linked")).resolve("qrels.txt"), folder.resolve("mine.txt"));
        Files.createLink(Files.createDirectory(folder.resolve("given")).resolve("after.run"), answers);

        Cli refused = Cli.run(
                "evaluate",
                "--lists",
                answers.toString(),
                option,
                folder.resolve(path).toString());

        assertThat(refused.exitCode()).isEqualTo(1);
        assertThat(refused.err()).contains(message).contains("(" + option + ")");
        assertThat(answers).hasContent("{}");
        assertThat(folder.resolve("page.html")).doesNotExist();
        assertThat(folder.resolve("mine.txt")).doesNotExist();
    }
}
