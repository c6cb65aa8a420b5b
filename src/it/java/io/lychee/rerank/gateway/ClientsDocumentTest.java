package io.lychee.rerank.gateway;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The bodies of {@code docs/clients.md}, sent as they are: each answer has what its client reads. */
@Timeout(240)
class ClientsDocumentTest extends GatewayFixture {

    private static final int BODIES = 25;
    private static final Pattern BODY_OR_READS =
            Pattern.compile("```\\nPOST (/\\S+)\\n(.+?)\\n```\\n|\\nIt reads (.+?)\\.\\n", Pattern.DOTALL);
    private static final Pattern QUOTED = Pattern.compile("`([^`]+)`");

    /** A body, and the paths that the next sentence names as read. */
    private record Sent(String client, String path, String body, List<String> reads) {

        @Override
        public String toString() {
            return client + ", " + path;
        }
    }

    @ParameterizedTest
    @MethodSource("bodies")
    void theAnswerHasWhatTheClientReads(Sent sent) {
        Http.Told told = post(sent.path(), sent.body());

        assertThat(told.status()).as(told.body()).isEqualTo(200);
        assertThat(sent.reads()).as("the sentence on what is read").isNotEmpty();
        for (String path : sent.reads()) {
            assertThat(find(told.json(), path))
                    .as("%s of %s", path, told.body())
                    .isNotEmpty()
                    .allMatch(value -> hasType(path.replaceFirst(".*\\.", ""), value));
        }
    }

    @Test
    void everySectionHasABody() {
        assertThat(sections())
                .allSatisfy(section ->
                        assertThat(bodies(section)).as(title(section)).isNotEmpty());
        assertThat(bodies()).hasSize(BODIES);
        assertThat(String.join("", sections()).split("\nPOST ", -1))
                .as("all were found")
                .hasSize(BODIES + 1);
    }

    private static List<Sent> bodies() {
        return sections().stream().flatMap(section -> bodies(section).stream()).toList();
    }

    private static List<Sent> bodies(String section) {
        List<Sent> found = new ArrayList<>();
        List<Sent> unread = new ArrayList<>();
        for (Matcher next = BODY_OR_READS.matcher(section); next.find(); ) {
            if (next.group(1) != null) {
                unread.add(new Sent(title(section), next.group(1), next.group(2), List.of()));
                continue;
            }
            List<String> reads = QUOTED.matcher(next.group(3))
                    .results()
                    .map(path -> path.group(1))
                    .toList();
            unread.forEach(sent -> found.add(new Sent(sent.client(), sent.path(), sent.body(), reads)));
            unread.clear();
        }
        found.addAll(unread);
        return found;
    }

    private static List<String> sections() {
        try {
            String[] sections = Files.readString(Path.of("docs/clients.md")).split("\n## ", -1);
            return Arrays.asList(sections).subList(1, sections.length);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String title(String section) {
        return section.substring(0, section.indexOf('\n'));
    }

    /**
     * Finds the values at a path such as {@code results[*].index} or {@code [*].score}; a missing one is among them.
     */
    private static List<JsonNode> find(JsonNode answer, String path) {
        List<JsonNode> found = List.of(answer);
        for (String step : path.split("(?=\\[)|\\.", -1)) {
            found = found.stream()
                    .flatMap(node -> step.equals("[*]")
                            ? StreamSupport.stream(node.spliterator(), false)
                            : Stream.of(node.path(step)))
                    .toList();
        }
        return found;
    }

    private static boolean hasType(String name, JsonNode value) {
        return switch (name) {
            case "index", "prompt_tokens", "total_tokens", "search_units" -> value.isInt();
            case "score", "relevance_score", "logit" -> value.isDouble();
            case "id", "model", "version", "document", "text" -> value.isTextual();
            default -> throw new IllegalArgumentException("of what type is " + name + "?");
        };
    }
}
