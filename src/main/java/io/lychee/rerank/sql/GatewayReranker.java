package io.lychee.rerank.sql;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.ConfigKeys;
import io.lychee.rerank.config.SqlConfig;
import io.lychee.rerank.domain.Candidate;
import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.CandidateStatus;
import io.lychee.rerank.domain.Content;
import io.lychee.rerank.domain.DataUri;
import io.lychee.rerank.domain.Image;
import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.Unicode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.flink.table.functions.FunctionContext;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Asks a gateway, whose job scores. Tries again until the list's deadline where the gateway is busy or away. A list
 * that it refuses, or is too busy for, has rows without scores; a gateway that is away fails the task, as a device
 * does.
 */
final class GatewayReranker implements Reranker {

    private static final long serialVersionUID = 1;
    private static final Logger LOG = LoggerFactory.getLogger(GatewayReranker.class);
    private static final ObjectMapper JSON = new ObjectMapper();

    /** Why the candidates of a list that the gateway takes for wrong have no score. */
    static final String REFUSED = "REFUSED";

    private static final Duration CONNECT = Duration.ofSeconds(5);
    private static final long FIRST_PAUSE_MS = 100;
    private static final long MAX_PAUSE_MS = 2_000;

    private final SqlConfig config;
    private final URI address;

    private transient volatile @Nullable Opened opened; // null again once closed

    private record Opened(HttpClient client, String key) {}

    /** @throws ConfigException when the endpoint is no address */
    GatewayReranker(SqlConfig config) {
        this.config = config;
        try {
            address = URI.create(config.endpoint().replaceFirst("/+$", "") + "/api/lists");
        } catch (IllegalArgumentException e) {
            throw noAddress(e);
        }
        if (address.getHost() == null || !List.of("http", "https").contains(address.getScheme())) {
            throw noAddress(null);
        }
    }

    private ConfigException noAddress(@Nullable Exception cause) {
        return new ConfigException(
                SqlConfig.ENDPOINT + " is " + config.endpoint() + "; expected an address such as http://gateway:8080",
                cause);
    }

    @Override
    public void open(FunctionContext context) {
        HttpClient client = HttpClient.newBuilder()
                .version(HttpClient.Version.HTTP_1_1)
                .connectTimeout(CONNECT)
                .build();
        opened = new Opened(client, key(config.rerank().gateway().apiKey()));
    }

    /** Returns the key itself, or the first of its file. */
    private static String key(String setting) {
        if (!setting.startsWith("file:")) {
            return setting;
        }
        Path file = Path.of(setting.substring("file:".length()));
        try (Stream<String> lines = Files.lines(file)) {
            return lines.map(String::strip)
                    .filter(line -> !line.isEmpty() && !line.startsWith("#"))
                    .findFirst()
                    .orElse("");
        } catch (IOException | UncheckedIOException e) {
            throw new ConfigException(file + " (" + ConfigKeys.API_KEY + ") can't be read: " + e, e);
        }
    }

    @Override
    public CompletableFuture<List<Ranked>> rerank(CandidateList list) {
        CompletableFuture<List<Ranked>> answer = new CompletableFuture<>();
        long deadline = System.nanoTime() + config.timeout().toNanos();
        ask(list, deadline, FIRST_PAUSE_MS, answer);
        return answer;
    }

    private void ask(CandidateList list, long deadline, long pause, CompletableFuture<List<Ranked>> answer) {
        Opened o = opened;
        if (o == null) {
            return; // the task has ended, and the list is in the checkpoint
        }
        long left = Math.max(1, TimeUnit.NANOSECONDS.toMillis(deadline - System.nanoTime()));
        HttpRequest.Builder request = HttpRequest.newBuilder(address)
                .timeout(Duration.ofMillis(left))
                .header("Content-Type", "application/json")
                // the gateway answers with what is there a little earlier, so that it arrives
                .POST(HttpRequest.BodyPublishers.ofByteArray(body(list, left - Math.min(left / 10, 2_000))));
        if (!o.key.isEmpty()) {
            request.header("Authorization", "Bearer " + o.key);
        }
        var unused = o.client
                .sendAsync(request.build(), HttpResponse.BodyHandlers.ofByteArray())
                .whenComplete((response, error) -> {
                    try {
                        answered(list, deadline, pause, answer, response, error);
                    } catch (IOException | RuntimeException e) {
                        answer.completeExceptionally(e);
                    }
                });
    }

    private void answered(
            CandidateList list,
            long deadline,
            long pause,
            CompletableFuture<List<Ranked>> answer,
            @Nullable HttpResponse<byte[]> response,
            @Nullable Throwable error)
            throws IOException {
        int status = response == null ? 0 : response.statusCode();
        boolean busy = status == 429 || status == 504;
        if (status == 200 && response != null) {
            answer.complete(rows(JSON.readTree(response.body())));
        } else if (status == 400 || status == 413 || status == 422) {
            LOG.warn("{} refuses a list: {}", address, told(response, error));
            answer.complete(unscored(list, REFUSED));
        } else if (!busy && status != 0 && status < 500) {
            answer.completeExceptionally(
                    new IllegalStateException(address + " answers " + status + ": " + told(response, error)));
        } else if (deadline - System.nanoTime() > TimeUnit.MILLISECONDS.toNanos(pause)) {
            CompletableFuture.delayedExecutor(pause, TimeUnit.MILLISECONDS)
                    .execute(() -> ask(list, deadline, Math.min(2 * pause, MAX_PAUSE_MS), answer));
        } else if (busy) {
            answer.complete(unscored(list, Reason.DEADLINE.name()));
        } else {
            answer.completeExceptionally(new IllegalStateException(
                    "no answer of " + address + " within " + config.timeoutKey() + ": " + told(response, error),
                    error));
        }
    }

    private static String told(@Nullable HttpResponse<byte[]> response, @Nullable Throwable error) {
        return response == null
                ? String.valueOf(error)
                : Unicode.cut(new String(response.body(), StandardCharsets.UTF_8), 500);
    }

    private List<Ranked> unscored(CandidateList list, String reason) {
        int all = list.candidates().size();
        return IntStream.range(0, list.topN() == null ? all : Math.min(all, list.topN()))
                .mapToObj(i -> new Ranked(i, i + 1, null, reason))
                .toList();
    }

    private List<Ranked> rows(JsonNode answer) {
        if (!answer.path("results").isArray()) {
            throw new IllegalStateException(address + " answers 200 without results; expected the gateway's answer ("
                    + SqlConfig.ENDPOINT + ")");
        }
        List<Ranked> rows = new ArrayList<>();
        answer.path("results").forEach(candidate -> rows.add(row(candidate)));
        for (JsonNode candidate : answer.path("left_out")) {
            if (candidate.path("status").asText().equals(CandidateStatus.REJECTED.name())) {
                rows.add(row(candidate));
            }
        }
        return rows;
    }

    private static Ranked row(JsonNode candidate) {
        return new Ranked(
                candidate.path("retrieval_rank").asInt() - 1,
                candidate.path("rank").isNumber() ? candidate.path("rank").asInt() : null,
                candidate.path("score").isNumber() ? candidate.path("score").asDouble() : null,
                candidate.path("reason").isTextual() ? candidate.path("reason").asText() : null);
    }

    private static byte[] body(CandidateList list, long timeoutMs) {
        ObjectNode body = JSON.createObjectNode()
                .put("request_id", list.requestId())
                .put("instruction", list.instruction())
                .put("top_n", list.topN())
                .put("timeout_ms", timeoutMs);
        write(list.query(), body.putObject("query"));
        ArrayNode candidates = body.putArray("candidates");
        for (Candidate candidate : list.candidates()) {
            ObjectNode one = candidates.addObject().put("id", Unicode.wellFormed(candidate.id()));
            write(candidate.content(), one);
            ObjectNode attributes = one.putObject("attributes");
            candidate.attributes().forEach(attributes::put);
        }
        return body.toString().getBytes(StandardCharsets.UTF_8);
    }

    private static void write(Content content, ObjectNode into) {
        into.put("text", content.text() == null ? null : Unicode.wellFormed(content.text()));
        ArrayNode images = into.putArray("images");
        for (Image image : content.images()) {
            images.add(image instanceof Image.Bytes bytes ? DataUri.of(bytes.data()) : ((Image.Reference) image).uri());
        }
    }

    @Override
    public void close() {
        opened = null;
    }
}
