package io.lychee.rerank.job;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.lychee.rerank.config.Delivery;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.Candidate;
import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.Content;
import io.lychee.rerank.domain.Image;
import io.lychee.rerank.engine.QwenEngineFactory;
import io.lychee.rerank.hub.TestHub;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInfo;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * The images of the Dockerfile and the services of docker-compose.yml, built and run by a Docker daemon of this test's
 * own on {@link StandIns} for public images; without Grafana and without GPU. Takes the ports that the file names.
 */
@Tag("soak")
@Timeout(value = 15, unit = TimeUnit.MINUTES)
class ImagesSoakTest {

    private static final int LISTS = 200;
    /** Above the time that any container needs to come back. */
    private static final long TIMEOUT_MS = TimeUnit.MINUTES.toMillis(10);

    private static final Path SETTINGS = Path.of("conf/rerank.properties");
    private static final HttpClient HTTP = HttpClient.newHttpClient();
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir
    private static Path folder;

    private static Docker docker;
    /** A copy of what the images are built of, to edit as users do. */
    private static Path project;

    private static List<Path> pictures;

    @BeforeAll
    static void build() throws Exception {
        docker = Docker.start(folder);
        StandIns.build(docker, folder);
        project = Files.createDirectory(folder.resolve("lychee-rerank"));
        List<String> copy = new ArrayList<>(List.of("cp", "-r", "--parents", "docker-compose.yml", ".dockerignore"));
        copy.addAll(List.of(".mvn", "pom.xml", "schemas", "src/main", "conf", "demo", project.toString()));
        docker.run(Path.of("."), copy.toArray(String[]::new));
        docker.run(project, "docker-compose", "build");
        try (Stream<Path> files = Files.list(project.resolve("demo/images"))) {
            pictures = files.sorted().limit(20).toList();
        }
        docker.set("PICTURES", "./demo/images");
    }

    @AfterAll
    static void stop() throws Exception {
        if (docker != null) {
            docker.close();
        }
    }

    @AfterEach
    void down(TestInfo test) throws Exception {
        String logs = docker.run(project, "docker-compose", "logs", "--no-color");
        Files.writeString(
                Path.of("target", "images-" + test.getTestMethod().orElseThrow().getName() + ".log"), logs);
        docker.run(project, "docker-compose", "down", "--volumes");
        docker.set("COMPOSE_FILE", "docker-compose.yml");
        docker.set("MODEL", "");
        settings("");
    }

    @Test
    void listsWithPicturesAreAnsweredAndAStopIsClean() throws Exception {
        up();
        try (ClusterTraffic traffic = traffic(Delivery.AT_LEAST_ONCE)) {
            traffic.sendUntilAnswered(LISTS);
            traffic.assertAllAnswered(Delivery.AT_LEAST_ONCE);
        }
        for (int i = 0; i < LISTS; i++) {
            JsonNode answer = rerank(i);
            assertThat(answer.path("results")).as(answer.toString()).hasSize(2);
            assertThat(answer.path("model").asText()).isEqualTo("checkpoint");
        }
        docker.await(
                "Prometheus sees both processes of Flink",
                () -> get("http://localhost:9090/api/v1/query?query=sum(up)").contains("\"2\"]"));

        docker.run(project, "docker-compose", "stop");
        assertThat(exitCodes()).doesNotContain(137).hasSize(7);
        up();
        assertThat(logs("jobmanager")).contains("Restoring job");
        assertThat(rerank(LISTS).path("results")).hasSize(2);
    }

    @Test
    void killsLoseAndRepeatNothing() throws Exception {
        settings("kafka.delivery-guarantee=exactly-once");
        up();
        try (ClusterTraffic traffic = traffic(Delivery.EXACTLY_ONCE)) {
            int sent = LISTS;
            traffic.sendUntilAnswered(sent);
            for (String service : List.of("taskmanager", "jobmanager", "kafka", "gateway")) {
                kill(service);
                traffic.sendUntilAnswered(sent += LISTS);
            }
            traffic.assertAllAnswered(Delivery.EXACTLY_ONCE);
        }
        awaitHealth();
        assertThat(rerank(0).path("results")).hasSize(2);
    }

    @Test
    void aDeadDeviceComesBack() throws Exception {
        settings("pass.timeout=1 ms");
        docker.run(project, "docker-compose", "up", "-d", "jobmanager", "taskmanager");
        try (ClusterTraffic traffic = traffic(Delivery.AT_LEAST_ONCE)) {
            traffic.send(LISTS);
            docker.await("the process ends and starts again", () -> restarts("taskmanager") >= 2);
            assertThat(exitCodesOfDeaths("taskmanager")).isNotEmpty().containsOnly(QwenEngineFactory.DEAD_DEVICE);
            settings("");
            docker.run(project, "docker-compose", "restart", "jobmanager");
            traffic.assertAllAnswered(Delivery.AT_LEAST_ONCE);
        }
    }

    @Test
    void aCheckpointIsPulledOnce() throws Exception {
        // the hub of this test is on this machine's loopback
        Path network =
                Files.writeString(project.resolve("network.yml"), "services: { checkpoint: { network_mode: host } }\n");
        docker.set("COMPOSE_FILE", "docker-compose.yml:" + network.getFileName());
        docker.set("MODEL", "hf:test/tiny");
        try (TestHub hub = TestHub.golden()) {
            docker.set("HF_ENDPOINT", hub.url());
            up();
        }
        assertThat(rerank(0).path("model").asText()).isEqualTo("test/tiny");
        // the hub is gone
        docker.run(project, "docker-compose", "stop");
        up();
        assertThat(rerank(1).path("model").asText()).isEqualTo("test/tiny");
    }

    /** Starts everything but Grafana, and waits until all is healthy and a job answers. */
    private static void up() throws Exception {
        List<String> command = new ArrayList<>(List.of("docker-compose", "up", "-d"));
        docker.run(project, "docker-compose", "config", "--services")
                .lines()
                .filter(service -> !service.equals(StandIns.WITHOUT))
                .forEach(command::add);
        docker.run(project, command.toArray(String[]::new));
        awaitHealth();
    }

    private static void awaitHealth() throws Exception {
        docker.await(
                "health of five services",
                () -> docker.run(project, "docker", "ps", "-q", "--filter", "health=healthy")
                                .lines()
                                .count()
                        == 5);
        docker.await(
                "readiness", () -> get("http://localhost:8080/health/ready").contains("\"status\":\"ready\""));
    }

    /** As a crash does: a kill by Docker's own command would be taken for a wish. */
    private static void kill(String service) throws Exception {
        int before = restarts(service);
        String pid = inspect("{{.State.Pid}}", service);
        assertThat(ProcessHandle.of(Long.parseLong(pid)).orElseThrow().destroyForcibly())
                .isTrue();
        docker.await(service + " is started again", () -> restarts(service) > before);
    }

    private static int restarts(String service) throws Exception {
        return Integer.parseInt(inspect("{{.RestartCount}}", service));
    }

    private static String inspect(String format, String service) throws Exception {
        return docker.run(project, "docker", "inspect", "--format", format, container(service));
    }

    private static String container(String service) throws Exception {
        return docker.run(project, "docker-compose", "ps", "-q", service);
    }

    private static String logs(String service) throws Exception {
        return docker.run(project, "docker-compose", "logs", "--no-color", service);
    }

    private static List<Integer> exitCodes() throws Exception {
        return docker.run(
                        project, "sh", "-c", "docker inspect --format '{{.State.ExitCode}}' $(docker-compose ps -q -a)")
                .lines()
                .map(Integer::valueOf)
                .toList();
    }

    private static List<Integer> exitCodesOfDeaths(String service) throws Exception {
        return docker.run(
                        project,
                        "docker",
                        "events",
                        "--since=1h",
                        "--until=0s",
                        "--filter=event=die",
                        "--filter=container=" + container(service),
                        "--format={{.Actor.Attributes.exitCode}}")
                .lines()
                .map(Integer::valueOf)
                .toList();
    }

    /** @param more a line in addition to those of the repository */
    private static void settings(String more) throws IOException {
        Files.writeString(project.resolve(SETTINGS), Files.readString(SETTINGS) + more + "\n");
    }

    private static ClusterTraffic traffic(Delivery delivery) throws Exception {
        RerankConfig config = RerankConfig.of(Map.of(
                "model.checkpoint", "none",
                "kafka.bootstrap-servers", "localhost:19092",
                "kafka.delivery-guarantee", delivery.toString()));
        return new ClusterTraffic(config.kafka(), ImagesSoakTest::list);
    }

    /**
     * A query with a picture from the mounted folder; candidates of text, of such a picture, and of a picture's bytes.
     */
    private static CandidateList list(int number) {
        Path picture = pictures.get(number % pictures.size());
        Image mounted = new Image.Reference("file:" + picture.getFileName());
        List<Content> contents = List.of(
                new Content("mug " + number, List.of()),
                new Content(null, List.of(mounted)),
                new Content("chair " + number, List.of(new Image.Bytes(bytes(picture)))));
        List<Candidate> candidates = new ArrayList<>();
        for (Content content : contents) {
            candidates.add(new Candidate("c" + candidates.size(), content, null, Map.of(), null));
        }
        Content query = new Content("like this", List.of(mounted));
        return new CandidateList("q" + number, null, Map.of(), query, candidates, null, TIMEOUT_MS);
    }

    private static JsonNode rerank(int number) throws Exception {
        String picture = Base64.getEncoder().encodeToString(bytes(pictures.get(number % pictures.size())));
        String body = JSON.writeValueAsString(Map.of(
                "query", "mug " + number, "documents", List.of(Map.of("text", "mug"), Map.of("image", picture))));
        HttpRequest request = HttpRequest.newBuilder(URI.create("http://localhost:8080/v1/rerank"))
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(body))
                .build();
        HttpResponse<String> response = HTTP.send(request, HttpResponse.BodyHandlers.ofString());
        assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
        return JSON.readTree(response.body());
    }

    /** Empty where nothing answers. */
    private static String get(String url) throws InterruptedException {
        try {
            return HTTP.send(HttpRequest.newBuilder(URI.create(url)).build(), HttpResponse.BodyHandlers.ofString())
                    .body();
        } catch (IOException e) {
            return "";
        }
    }

    private static byte[] bytes(Path picture) {
        try {
            return Files.readAllBytes(picture);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
