package io.lychee.rerank.cli;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.evaluation.Agreement;
import io.lychee.rerank.evaluation.AgreementReport;
import io.lychee.rerank.evaluation.AnswerFile;
import io.lychee.rerank.evaluation.Bootstrap;
import io.lychee.rerank.evaluation.Calibration;
import io.lychee.rerank.evaluation.Comparison;
import io.lychee.rerank.evaluation.JudgedQuery;
import io.lychee.rerank.evaluation.ListContents;
import io.lychee.rerank.evaluation.Measures;
import io.lychee.rerank.evaluation.PairedDifference;
import io.lychee.rerank.evaluation.Report;
import io.lychee.rerank.evaluation.TrecFiles;
import io.lychee.rerank.evaluation.TrecRuns;
import io.lychee.rerank.job.OutputFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code ./lychee evaluate}: measures ranking quality before and after reranking. */
@Command(
        name = "evaluate",
        description = {
            "Measures ranking quality with trec_eval's definitions: before and after reranking, in total and by group.",
            "From answers whose candidates carry a relevance (--lists), or from TREC files (--qrels, --run).",
            "Or measures how far the scores of two answer files agree (--compare)."
        })
final class EvaluateCommand implements Callable<Integer> {

    private static final Set<String> WITH_COMPARE =
            Set.of("--compare", "--qrels", "--level", "--samples", "--seed", "--json", "--report");

    private static final String REPEATED =
            "answers are left out: another to the same request_id is at least as complete";

    @Option(names = "--lists", paramLabel = "FILE", description = "Answers, one a line, as rerank and consume write.")
    private @Nullable Path lists;

    @Option(names = "--qrels", paramLabel = "FILE", description = "TREC relevance: query, iteration, document, grade.")
    private @Nullable Path qrels;

    @Option(names = "--run", paramLabel = "FILE", description = "TREC run; a second one is compared with the first.")
    private List<Path> runs = new ArrayList<>();

    @Option(names = "--compare", arity = "2", paramLabel = "FILE", description = "Two answer files: the base, another.")
    private List<Path> compared = new ArrayList<>();

    @Option(names = "--complete", description = "Queries that a run lacks count as 0 (trec_eval -c).")
    private boolean complete;

    @Option(names = "--k", split = ",", defaultValue = "5,10", description = "Cutoffs. Default: ${DEFAULT-VALUE}")
    private List<Integer> cutoffs = new ArrayList<>();

    @Option(names = "--level", defaultValue = "1", description = "Relevant from this grade on. Default: 1")
    private int level;

    @Option(names = "--by", paramLabel = "ATTRIBUTE", description = "Groups of lists. Default: group. May be repeated.")
    private List<String> by = new ArrayList<>();

    @Option(names = "--samples", defaultValue = "10000", description = "Bootstrap samples. Default: ${DEFAULT-VALUE}")
    private int samples;

    @Option(names = "--seed", defaultValue = "1", description = "Seed of the bootstrap. Default: ${DEFAULT-VALUE}")
    private long seed;

    @Option(names = "--json", description = "Prints the figures as JSON on standard output.")
    private boolean json;

    @Option(names = "--write-runs", paramLabel = "DIR", description = "Writes before.run, after.run and qrels.txt.")
    private @Nullable Path runsFolder;

    @Option(names = "--report", paramLabel = "FILE", description = "Writes a report with plots, one HTML file.")
    private @Nullable Path report;

    @Option(
            names = "--input",
            paramLabel = "FILE",
            description = "The lists that were reranked, for the report's texts.")
    private @Nullable Path input;

    @Option(
            names = "--images",
            paramLabel = "DIR",
            description = "Folder of file: images. Default: the folder of --input.")
    private @Nullable Path images;

    @Spec
    @SuppressWarnings("NullAway.Init") // picocli sets it
    private CommandSpec spec;

    @Override
    public Integer call() throws IOException {
        checkUse();
        checkFiles();
        Bootstrap bootstrap = new Bootstrap(samples, seed);
        if (!compared.isEmpty()) {
            compare(bootstrap);
            return 0;
        }
        Measures measures = new Measures(cutoffs, level);
        List<JudgedQuery> queries = read();
        Comparison quality = Comparison.of(queries, measures, bootstrap);
        Map<String, Map<String, Comparison>> groups = new LinkedHashMap<>();
        if (lists != null) {
            for (String attribute : by.isEmpty() ? List.of("group") : by) {
                groups.put(attribute, Comparison.by(attribute, queries, measures, bootstrap));
            }
        }
        Calibration scores = lists == null ? null : Calibration.of(queries, measures);
        if (runsFolder != null) {
            TrecRuns.write(runsFolder, queries);
        }
        if (report != null) {
            writeReport(report, measures, queries, quality, groups, scores);
        }
        if (json) {
            System.out.println(new ObjectMapper().writeValueAsString(figures(quality, groups, scores)));
        } else {
            print(measures, quality, groups, scores);
        }
        return 0;
    }

    private void compare(Bootstrap bootstrap) throws IOException {
        Map<String, Map<String, Integer>> judgements = qrels == null ? null : TrecFiles.judgements(qrels);
        List<AnswerFile> files = new ArrayList<>();
        for (Path file : compared) {
            AnswerFile answers = AnswerFile.readAll(file);
            note(answers.repeated(), REPEATED);
            files.add(judgements == null ? answers : answers.judgedBy(judgements));
        }
        Agreement agreement =
                Agreement.of(files.get(0), files.get(1), new Measures(List.of(Agreement.TOP), level), bootstrap);
        AgreementReport made = new AgreementReport(
                String.valueOf(compared.get(0).getFileName()),
                String.valueOf(compared.get(1).getFileName()),
                agreement);
        if (report != null) {
            write(report, made.html());
        }
        if (json) {
            System.out.println(new ObjectMapper().writeValueAsString(agreement));
        } else {
            TextTable.print(System.out, made.title(), made.figures());
            TextTable.print(System.out, "left out", made.leftOut());
        }
    }

    private void checkFiles() {
        List<Path> inputs = new ArrayList<>();
        compared.forEach(file -> addReadable(inputs, file, "--compare"));
        addReadable(inputs, lists, "--lists");
        addReadable(inputs, qrels, "--qrels");
        runs.forEach(run -> addReadable(inputs, run, "--run"));
        addReadable(inputs, input, "--input");
        if (report != null) {
            OutputFiles.check(report, inputs, "--report");
        }
        if (runsFolder != null) {
            for (String name : TrecRuns.FILES) {
                OutputFiles.check(runsFolder.resolve(name), inputs, "--write-runs");
            }
        }
    }

    private static void addReadable(List<Path> inputs, @Nullable Path file, String option) {
        if (file == null) {
            return;
        }
        if (!Files.isReadable(file) || Files.isDirectory(file)) {
            throw new ConfigException("no file " + file + " that can be read (" + option + ")");
        }
        inputs.add(file);
    }

    private void checkUse() {
        if (compared.isEmpty()) {
            checkSource();
        } else {
            checkCompare();
        }
        refuse(cutoffs.stream().anyMatch(k -> k < 1), "--k is " + cutoffs + "; expected numbers of at least 1");
        refuse(level < 1, "--level is " + level + "; expected at least 1");
        refuse(samples < 1, "--samples is " + samples + "; expected at least 1");
    }

    private void checkCompare() {
        refuse(compared.size() > 2, "--compare takes two files, once");
        spec.commandLine().getParseResult().matchedOptions().forEach(option -> {
            String name = option.longestName();
            refuse(!WITH_COMPARE.contains(name), name + " can't be used with --compare");
        });
    }

    private void checkSource() {
        boolean trec = qrels != null || !runs.isEmpty();
        refuse((lists != null) == trec, "expected either --lists, or --qrels and --run, or --compare");
        refuse(trec && (qrels == null || runs.isEmpty()), "--qrels and --run belong together");
        refuse(runs.size() > 2, "at most two --run: before and after");
        refuse(
                trec && (!by.isEmpty() || runsFolder != null || input != null || images != null),
                "--by, --write-runs, --input and --images need --lists");
        refuse(complete && !trec, "--complete needs --qrels and --run");
        refuse(report != null && runs.size() == 1, "--report compares: expected --lists or a second --run");
        refuse(report == null && (input != null || images != null), "--input and --images need --report");
    }

    private void refuse(boolean wrong, String message) {
        if (wrong) {
            throw new ParameterException(spec.commandLine(), message);
        }
    }

    private List<JudgedQuery> read() throws IOException {
        if (lists != null) {
            AnswerFile answers = AnswerFile.read(lists);
            note(answers.unjudged(), "lists without any relevance are left out");
            note(answers.repeated(), REPEATED);
            return answers.queries();
        }
        TrecFiles.Shared shared = TrecFiles.read(Objects.requireNonNull(qrels), runs, complete);
        note(shared.missing(), "judged queries are left out because a run lacks them (--complete counts them as 0)");
        return shared.queries();
    }

    private static void note(int count, String what) {
        if (count > 0) {
            System.err.println("lychee: " + count + " " + what);
        }
    }

    private void writeReport(
            Path file,
            Measures measures,
            List<JudgedQuery> queries,
            Comparison quality,
            Map<String, Map<String, Comparison>> groups,
            @Nullable Calibration scores)
            throws IOException {
        List<Report.Moved> moved = Report.moved(queries, measures);
        Path folder = images;
        if (folder == null && input != null) {
            folder = input.toAbsolutePath().getParent();
        }
        Report made = new Report(
                String.valueOf((lists == null ? runs.get(1) : lists).getFileName()),
                measures,
                quality,
                groups,
                scores,
                moved,
                input == null
                        ? Map.of()
                        : ListContents.read(
                                input, moved.stream().map(Report.Moved::id).collect(Collectors.toSet())),
                folder);
        write(file, made.html());
    }

    private static void write(Path file, String html) throws IOException {
        Files.createDirectories(Objects.requireNonNull(file.toAbsolutePath().getParent()));
        Files.writeString(file, html);
        System.err.println("report: " + file);
    }

    private static ObjectNode figures(
            Comparison quality, Map<String, Map<String, Comparison>> groups, @Nullable Calibration scores) {
        ObjectMapper mapper = new ObjectMapper();
        if (quality.before() == null) {
            return mapper.createObjectNode()
                    .put("queries", quality.queries())
                    .set("run", mapper.valueToTree(quality.after()));
        }
        ObjectNode figures = mapper.valueToTree(quality);
        if (scores != null) {
            figures.set("by", mapper.valueToTree(groups));
            figures.putObject("thresholds").putPOJO("drop", scores.drop()).putPOJO("boost", scores.boost());
            figures.putObject("calibration").put("pairs", scores.pairs()).put("ece", scores.calibrationError());
        }
        return figures;
    }

    private static void print(
            Measures measures,
            Comparison quality,
            Map<String, Map<String, Comparison>> groups,
            @Nullable Calibration scores) {
        List<String[]> rows = new ArrayList<>();
        rows.add(head(quality));
        measures.names().forEach(name -> rows.add(row(name, name, quality)));
        TextTable.print(System.out, quality.queries() + " queries", rows);
        groups.forEach((attribute, values) -> {
            if (!values.isEmpty()) {
                List<String[]> groupRows = new ArrayList<>();
                groupRows.add(head(quality));
                values.forEach((value, group) ->
                        groupRows.add(row(value + " (" + group.queries() + ")", measures.headline(), group)));
                TextTable.print(System.out, measures.headline() + " by " + attribute, groupRows);
            }
        });
        if (scores != null && scores.pairs() > 0) {
            TextTable.print(
                    System.out,
                    "scores of %d candidates, expected calibration error %.3f"
                            .formatted(scores.pairs(), scores.calibrationError()),
                    List.of(
                            new String[] {"suggested threshold", "score", "precision", "recall"},
                            row("drop below", scores.drop()),
                            row("boost from", scores.boost())));
            System.out.println("  " + scores.rules());
        }
    }

    private static String[] head(Comparison quality) {
        return quality.before() == null
                ? new String[] {"", "run"}
                : new String[] {"", "before", "after", "gain", "95 % interval"};
    }

    private static String[] row(String label, String name, Comparison quality) {
        String after = "%.4f".formatted(quality.is(name));
        if (quality.before() == null) {
            return new String[] {label, after};
        }
        PairedDifference gain = quality.gain(name);
        return new String[] {
            label,
            "%.4f".formatted(quality.was(name)),
            after,
            "%+.4f".formatted(gain.mean()),
            gain.interval("%+.4f", "–")
        };
    }

    private static String[] row(String label, Calibration.@Nullable Threshold cut) {
        return cut == null
                ? new String[] {label, "–"}
                : new String[] {
                    label,
                    "%.3f".formatted(cut.score()),
                    "%.3f".formatted(cut.precision()),
                    "%.3f".formatted(cut.recall())
                };
    }
}
