package io.lychee.rerank.task;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** conf/METRICS.md, the dashboard and the alerts speak of the metrics that there are. */
class MetricsTableTest {

    private static final Path FILE = Path.of("conf/METRICS.md");
    static final Path DASHBOARD = Path.of("conf/grafana/dashboards/lychee-rerank.json");
    private static final Path ALERTS = Path.of("conf/prometheus/alerts.yml");
    private static final String BEGIN = "<!-- written from RerankMetric -->\n";
    private static final String END = "\n<!-- end -->";
    private static final Pattern METRIC = Pattern.compile("flink_[A-Za-z_]+");
    private static final Pattern LABELS = Pattern.compile("(flink_[A-Za-z_]+)\\{([^}]*)}");
    /** Labels that Flink gives each of our metrics. */
    private static final Set<String> FLINKS_LABELS =
            Set.of("job_name", "task_name", "operator_name", "subtask_index", "task_attempt_num", "tm_id", "host");

    @Test
    void theTableIsWhatTheCodeSays() throws Exception {
        String text = Files.readString(FILE);
        String expected = text.substring(0, text.indexOf(BEGIN) + BEGIN.length())
                + Arrays.stream(RerankMetric.values())
                        .map(MetricsTableTest::row)
                        .collect(Collectors.joining(
                                "\n", "| metric | kind | unit | labels | meaning |\n|---|---|---|---|---|\n", "\n"))
                + text.substring(text.indexOf(END));
        Path written = Files.writeString(Path.of("target/METRICS.md"), expected);

        assertThat(text).as("%s; what it should be lies in %s", FILE, written).isEqualTo(expected);
    }

    private static String row(RerankMetric metric) {
        return "| `%s` | %s | %s | %s | %s |"
                .formatted(
                        metric.prometheusName().substring(RerankMetric.SCOPE.length()),
                        metric.kind.name().toLowerCase(Locale.ROOT),
                        metric.unit,
                        String.join(", ", metric.labels),
                        metric.meaning);
    }

    @Test
    void everyMetricIsShown() throws Exception {
        String queries = String.join("\n", queries(DASHBOARD)) + String.join("\n", expressions());

        assertThat(Arrays.stream(RerankMetric.values()).map(RerankMetric::prometheusName))
                .allSatisfy(name -> assertThat(queries).contains(name));
    }

    @Test
    void everyQueryNamesMetricsAndLabelsThatThereAre() throws Exception {
        String documented = Files.readString(FILE);
        Set<String> known = Arrays.stream(RerankMetric.values())
                .map(RerankMetric::prometheusName)
                .collect(Collectors.toCollection(TreeSet::new));
        METRIC.matcher(documented.substring(documented.indexOf(END))).results().forEach(m -> known.add(m.group()));
        for (String query : Stream.concat(queries(DASHBOARD).stream(), expressions().stream())
                .toList()) {
            assertThat(METRIC.matcher(query).results().map(m -> m.group()).toList())
                    .as(query)
                    .isSubsetOf(known);
            LABELS.matcher(query)
                    .results()
                    .forEach(m -> Arrays.stream(RerankMetric.values())
                            .filter(metric -> metric.prometheusName().equals(m.group(1)))
                            .forEach(metric -> assertThat(m.group(2).split("(=~|!=|=)\"[^\"]*\",?"))
                                    .as(query)
                                    .allMatch(
                                            label -> metric.labels.contains(label) || FLINKS_LABELS.contains(label))));
        }
    }

    @Test
    void everyAlertSaysWhatToDo() throws Exception {
        String alerts = Files.readString(ALERTS);
        long count = alerts.lines().filter(line -> line.contains("- alert:")).count();

        assertThat(count).isGreaterThanOrEqualTo(6);
        assertThat(alerts.lines().filter(line -> line.strip().startsWith("summary:")))
                .hasSize((int) count);
        assertThat(alerts.lines().filter(line -> line.strip().startsWith("runbook:")))
                .hasSize((int) count);
    }

    @Test
    void bucketsGrowByAFifth() {
        List<Long> bounds = LatencyBuckets.BOUNDS;

        assertThat(bounds).first().isEqualTo(1_000L);
        assertThat(bounds).last().isEqualTo(120_000_000L);
        for (int i = 1; i < bounds.size(); i++) {
            assertThat((double) bounds.get(i) / bounds.get(i - 1))
                    .isGreaterThan(1)
                    .isLessThan(1.201);
        }
    }

    /** What its panels ask. */
    static List<String> queries(Path dashboard) throws Exception {
        return new ObjectMapper()
                .readTree(dashboard.toFile()).findValues("expr").stream()
                        .map(JsonNode::asText)
                        .toList();
    }

    private static List<String> expressions() throws Exception {
        return Files.readString(ALERTS)
                .lines()
                .map(String::strip)
                .filter(l -> l.startsWith("expr:"))
                .toList();
    }
}
