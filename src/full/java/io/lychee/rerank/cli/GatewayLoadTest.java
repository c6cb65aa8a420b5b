package io.lychee.rerank.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.kafka.TopicReader;
import io.lychee.rerank.records.TopicLines;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Queue;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.kafka.common.IsolationLevel;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Many clients for long, and a gateway that is killed. {@code -Dlychee.full.load-seconds} says how long. Prints what
 * the gateway adds to the job's own total: when both cores are full, and when 20 requests come a second.
 */
@Tag("full")
@Timeout(1800)
class GatewayLoadTest {

    private static final int CLIENTS = 50;
    private static final int SECONDS = Integer.getInteger("lychee.full.load-seconds", 300);

    private static final int PACE = 20;
    private static final int PACED_SECONDS = Math.max(1, SECONDS / 5);

    /** Places left for those that hang up: far fewer than hang up in the end. */
    private static final int SPARE = 10;

    /** One in so many requests is given up before it is answered. */
    private static final int HANGS_UP = 10;

    private static final int DOCUMENTS = 8;

    /** What two passes may differ by; questions differ by ten times as much. */
    private static final double CLOSE = 1e-4;

    private static final int QUESTIONS = 10;
    private static final int LISTS = 40;
    private static final Duration QUIET = Duration.ofMinutes(2);
    private static final Pattern TIMING = Pattern.compile("(gateway|total);dur=([0-9.]+)");
    private static final ObjectMapper JSON = new ObjectMapper();

    private final HttpClient http =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

    @TempDir
    private Path folder;

    /** @param score of the document that is marked; no other question has one so near */
    private record Question(String query, List<String> documents, String marked, double score) {}

    @Test
    void everyClientGetsItsOwnScores() throws Exception {
        long seed = new Random().nextLong();
        System.out.println("seed " + seed);
        try (Up up = Up.start(folder.resolve("up.log"), "-D", "gateway.max-requests=" + (CLIENTS + SPARE))) {
            Queue<String> failures = new ConcurrentLinkedQueue<>();
            print("right after the start, " + PACE + " a second", paced(up.url(), new Random(seed), failures));
            List<Question> questions = questions(up.url());
            Queue<double[]> timings = new ConcurrentLinkedQueue<>();
            Queue<double[]> warm = new ConcurrentLinkedQueue<>();
            Queue<String> hungUp = new ConcurrentLinkedQueue<>();
            Duration before = cpu(up);
            Duration ours = cpu(ProcessHandle.current());
            long half = System.nanoTime() + TimeUnit.SECONDS.toNanos(SECONDS) / 2;
            long end = half + TimeUnit.SECONDS.toNanos(SECONDS) / 2;
            ExecutorService clients = Executors.newFixedThreadPool(CLIENTS);
            for (int client = 0; client < CLIENTS; client++) {
                String name = "client-" + client;
                Random random = new Random(seed + client);
                clients.execute(() -> {
                    for (int i = 0; System.nanoTime() < end && failures.isEmpty(); i++) {
                        String id = name + "-" + i;
                        Question question = questions.get(random.nextInt(questions.size()));
                        try {
                            if (random.nextInt(HANGS_UP) == 0) {
                                hangUp(up.url(), body(question.query(), question.documents()));
                                hungUp.add(id);
                            }
                            double[] timing = ask(up.url(), id, question, random);
                            timings.add(timing);
                            if (System.nanoTime() > half) {
                                warm.add(timing);
                            }
                        } catch (Exception | AssertionError e) {
                            failures.add(id + ": " + e);
                        }
                    }
                });
            }
            clients.shutdown();
            assertThat(clients.awaitTermination(SECONDS + 300L, TimeUnit.SECONDS))
                    .isTrue();

            System.out.printf(
                    Locale.ROOT,
                    "%d clients for %d s, %d hung up; processor time: %.0f s broker, job and gateway, %.0f s clients%n",
                    CLIENTS,
                    SECONDS,
                    hungUp.size(),
                    cpu(up).minus(before).toMillis() / 1e3,
                    cpu(ProcessHandle.current()).minus(ours).toMillis() / 1e3);
            print("all", timings);
            print("the second half", warm);
            print("afterwards, " + PACE + " a second", paced(up.url(), new Random(seed + 1), failures));

            assertThat(failures).isEmpty();
            assertThat(timings).hasSizeGreaterThan(CLIENTS);
            assertThat(hungUp).isNotEmpty();
        }
    }

    @Test
    void aKilledGatewayLosesNoWorkOfTheJob() throws Exception {
        try (Up up = Up.start(folder.resolve("up.log"))) {
            RerankConfig.Kafka kafka = RerankConfig.of(
                            Map.of("kafka.bootstrap-servers", up.broker(), "model.checkpoint", "demo/checkpoint"))
                    .kafka();
            Set<String> asked = new TreeSet<>();
            try (TopicReader answers = new TopicReader(
                            kafka, Set.of(kafka.resultsTopic()), TopicReader.From.END, IsolationLevel.READ_COMMITTED);
                    TopicReader requests = new TopicReader(
                            kafka,
                            Set.of(kafka.requestsTopic()),
                            TopicReader.From.END,
                            IsolationLevel.READ_COMMITTED)) {
                try (ChildProcess first = serve(up, "first")) {
                    String url = first.await(Up.URL);
                    List<String> documents = texts(demoLists().get(0));
                    for (int i = 0; i < LISTS; i++) {
                        CompletableFuture<?> unused =
                                http.sendAsync(request(url, "r" + i, "hat " + i, documents), discarding());
                    }
                    assertThat(TopicLines.read(requests, LISTS, QUIET, line -> asked.add(id(line))))
                            .isEqualTo(LISTS);
                }
                Set<String> answered = new TreeSet<>();
                long before = TopicLines.read(answers, LISTS, Duration.ofMillis(200), line -> answered.add(id(line)));
                assertThat(before).as("killed amid the work").isLessThan(LISTS);
                try (ChildProcess second = serve(up, "second")) {
                    JsonNode again = send(request(second.await(Up.URL), "again", "hat", List.of("hat", "mug")));
                    assertThat(again.get("results")).hasSize(2);
                    // and the one that was asked again
                    long left = TopicLines.read(answers, LISTS + 1 - before, QUIET, line -> {
                        assertThat(line).contains("\"COMPLETE\"");
                        answered.add(id(line));
                    });
                    assertThat(left).isEqualTo(LISTS + 1 - before);
                    assertThat(answered).hasSize(LISTS + 1).containsAll(asked);
                }
            }
        }
    }

    private ChildProcess serve(Up up, String name) throws Exception {
        return ChildProcess.start(
                folder.resolve(name + ".log"),
                "serve",
                "-D",
                "kafka.bootstrap-servers=" + up.broker(),
                "-D",
                "gateway.timeout=10 min",
                "--port",
                "0");
    }

    /** Asked alone, one after the other, so that there is no other's answer to mistake for it. */
    private List<Question> questions(String url) throws Exception {
        List<Question> questions = new ArrayList<>();
        for (JsonNode list : demoLists()) {
            String query = list.at("/query/text").asText("");
            List<String> documents = texts(list);
            if (query.isEmpty() || documents.size() < DOCUMENTS || questions.size() == QUESTIONS) {
                continue;
            }
            documents = List.copyOf(documents.subList(0, DOCUMENTS));
            JsonNode results = send(request(url, "alone", query, documents)).get("results");
            for (JsonNode result : results) {
                double score = result.get("relevance_score").asDouble();
                if (score > 0.001
                        && score < 0.999
                        && questions.stream().allMatch(other -> Math.abs(other.score() - score) > 10 * CLOSE)) {
                    String marked = documents.get(result.get("index").asInt());
                    questions.add(new Question(query, documents, marked, score));
                    break;
                }
            }
        }
        assertThat(questions).hasSize(QUESTIONS);
        return questions;
    }

    /** New questions at random moments, whether or not earlier ones are answered. */
    private Queue<double[]> paced(String url, Random random, Queue<String> failures) throws Exception {
        List<String> documents = new ArrayList<>();
        for (JsonNode list : demoLists()) {
            documents.addAll(texts(list));
        }
        Queue<double[]> timings = new ConcurrentLinkedQueue<>();
        ScheduledExecutorService clients = Executors.newScheduledThreadPool(CLIENTS);
        for (int i = 0; i < PACE * PACED_SECONDS; i++) {
            Collections.shuffle(documents, random);
            HttpRequest request =
                    request(url, "paced-" + i, documents.get(DOCUMENTS), List.copyOf(documents.subList(0, DOCUMENTS)));
            Runnable ask = () -> {
                try {
                    HttpResponse<String> response = http.send(request, HttpResponse.BodyHandlers.ofString());
                    assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
                    timings.add(timing(response));
                } catch (Exception | AssertionError e) {
                    failures.add("paced: " + e);
                }
            };
            var unused = clients.schedule(ask, random.nextInt(PACED_SECONDS * 1000), TimeUnit.MILLISECONDS);
        }
        clients.shutdown(); // lets what is scheduled happen
        assertThat(clients.awaitTermination(PACED_SECONDS + 300L, TimeUnit.SECONDS))
                .isTrue();
        return timings;
    }

    private double[] ask(String url, String id, Question question, Random random) throws Exception {
        List<String> documents = new ArrayList<>(question.documents());
        Collections.shuffle(documents, random);
        HttpResponse<String> response =
                http.send(request(url, id, question.query(), documents), HttpResponse.BodyHandlers.ofString());
        assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
        JsonNode answer = JSON.readTree(response.body());
        assertThat(answer.get("id").asText()).isEqualTo(id);
        assertThat(answer.get("results")).hasSize(DOCUMENTS);
        for (JsonNode result : answer.get("results")) {
            if (documents.get(result.get("index").asInt()).equals(question.marked())) {
                assertThat(Math.abs(result.get("relevance_score").asDouble() - question.score()))
                        .as("%s has the score of another: %s", question, response.body())
                        .isLessThan(CLOSE);
            }
        }
        return timing(response);
    }

    /** Returns the milliseconds of the gateway alone, and in all. */
    private static double[] timing(HttpResponse<?> response) {
        double[] timing = new double[2];
        Matcher found =
                TIMING.matcher(response.headers().firstValue("Server-Timing").orElseThrow());
        while (found.find()) {
            timing[found.group(1).equals("gateway") ? 0 : 1] = Double.parseDouble(found.group(2));
        }
        return timing;
    }

    private JsonNode send(HttpRequest request) throws Exception {
        HttpResponse<String> response = http.send(request, HttpResponse.BodyHandlers.ofString());
        assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
        return JSON.readTree(response.body());
    }

    private static HttpRequest request(String url, String id, String query, List<String> documents) {
        return HttpRequest.newBuilder(URI.create(url + "/v1/rerank"))
                .header("Content-Type", "application/json")
                .header("X-Request-Id", id)
                .POST(HttpRequest.BodyPublishers.ofString(body(query, documents)))
                .build();
    }

    private static String body(String query, List<String> documents) {
        ObjectNode tree = JSON.createObjectNode().put("query", query).put("return_documents", false);
        ArrayNode array = tree.putArray("documents");
        documents.forEach(array::add);
        return tree.toString();
    }

    private static void hangUp(String url, String body) throws Exception {
        URI address = URI.create(url);
        byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
        String head =
                "POST /v1/rerank HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: "
                        + bytes.length + "\r\n\r\n";
        try (Socket socket = new Socket(address.getHost(), address.getPort())) {
            socket.getOutputStream().write(head.getBytes(StandardCharsets.US_ASCII));
            socket.getOutputStream().write(bytes);
        }
    }

    private static HttpResponse.BodyHandler<Void> discarding() {
        return HttpResponse.BodyHandlers.discarding();
    }

    private static List<JsonNode> demoLists() throws Exception {
        List<JsonNode> lists = new ArrayList<>();
        for (String line : Files.readAllLines(Path.of("demo/lists.jsonl"))) {
            lists.add(JSON.readTree(line));
        }
        return lists;
    }

    /** Of the candidates that have no picture. */
    private static List<String> texts(JsonNode list) {
        List<String> texts = new ArrayList<>();
        list.get("candidates").forEach(candidate -> {
            if (candidate.get("images").isEmpty()) {
                texts.add(candidate.get("text").asText());
            }
        });
        return texts;
    }

    private static String id(String line) {
        try {
            return JSON.readTree(line).get("request_id").asText();
        } catch (java.io.IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    private static Duration cpu(Up up) {
        return cpu(up.process().process().toHandle());
    }

    private static Duration cpu(ProcessHandle process) {
        return process.info().totalCpuDuration().orElseThrow();
    }

    private static void print(String what, Queue<double[]> timings) {
        System.out.printf(
                Locale.ROOT,
                "%s: %d answers; gateway p50 %.1f ms, p90 %.1f ms, p99 %.1f ms; total p50 %.1f ms, p99 %.1f ms%n",
                what,
                timings.size(),
                percentile(timings, 0, 0.5),
                percentile(timings, 0, 0.9),
                percentile(timings, 0, 0.99),
                percentile(timings, 1, 0.5),
                percentile(timings, 1, 0.99));
    }

    private static double percentile(Queue<double[]> timings, int which, double share) {
        double[] sorted =
                timings.stream().mapToDouble(timing -> timing[which]).sorted().toArray();
        return sorted[(int) Math.min(sorted.length - 1, sorted.length * share)];
    }
}
