package io.lychee.rerank.gateway;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lychee.rerank.checkpoint.CheckpointFiles;
import io.lychee.rerank.checkpoint.Families;
import io.lychee.rerank.checkpoint.Family;
import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.RerankConfig;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Serves the console's files, the scenes to try, health, and what the console shows of this gateway. Files are read
 * once and known by name, so that no path leads elsewhere.
 *
 * @param scenes folder of {@code lists.jsonl}; null without scenes
 */
record Console(
        Gateway gateway, Readiness readiness, @Nullable Path scenes) {

    private static final Map<String, String> TYPES = Map.of(
            "html", "text/html; charset=utf-8",
            "css", "text/css; charset=utf-8",
            "js", "text/javascript; charset=utf-8",
            "json", Response.JSON);

    private static final List<String> FILES = List.of(
            "index.html",
            "style.css",
            "app.js",
            "content.js",
            "single.js",
            "batch.js",
            "live.js",
            "many.js",
            "words.js",
            "parts.js");

    private static final ObjectMapper JSON = new ObjectMapper();

    void addTo(Router router) {
        FILES.forEach(name -> add(router, "/" + name, Response.of(type(name), resource("console/" + name))));
        add(router, "/", Response.of(type("index.html"), resource("console/index.html")));
        add(router, "/openapi.json", Response.of(Response.JSON, resource("openapi.json")));
        add(router, "/health/live", Response.json(200, Response.object().put("status", "live")));
        Route.Get ready = path -> readiness.respond(gateway);
        router.addOpen("/health/ready", ready);
        router.addOpen("/.well-known/ready", ready); // where Weaviate asks before it starts
        router.add("/v1/models", (Route.Get) path -> Response.json(200, models()));
        Family family = Families.find(gateway.config().model().checkpoint());
        router.add("/api/info", (Route.Get) path -> Response.json(200, info(family)));
        Response scenesFile = Response.json(200, JSON.valueToTree(lists()));
        router.add("/api/scenes", (Route.Get) path -> scenesFile);
    }

    /** Adds a file that shows nothing of lists and answers. */
    private static void add(Router router, String path, Response file) {
        router.addOpen(path, (Route.Get) same -> file);
    }

    /** Lists the one model, once it is known, as OpenAI's API does. */
    private ObjectNode models() {
        ObjectNode models = Response.object().put("object", "list");
        ArrayNode data = models.putArray("data");
        String name = readiness.model(gateway);
        if (name != null) {
            data.addObject().put("id", name).put("object", "model").put("owned_by", "lychee-rerank");
        }
        return models;
    }

    private ObjectNode info(Family family) {
        RerankConfig config = gateway.config();
        return Response.object()
                .put("model", readiness.model(gateway))
                .put("instruction", family.instruction(config.prompt()))
                .put("max_candidates", config.limits().maxCandidates())
                .put("max_pixels", family.maxPixels(config.limits()))
                .put("demo_checkpoint", isDemo(config.model().checkpoint()));
    }

    /** Compares the checkpoint with the one beside the scenes. */
    private boolean isDemo(String checkpoint) {
        return scenes != null
                && CheckpointFiles.of(checkpoint)
                        .equals(new CheckpointFiles(
                                scenes.resolve("checkpoint").toAbsolutePath().normalize()));
    }

    private List<JsonNode> lists() {
        if (scenes == null || !Files.isRegularFile(scenes.resolve("lists.jsonl"))) {
            return List.of();
        }
        try (var lists = JSON.readerFor(JsonNode.class)
                .<JsonNode>readValues(scenes.resolve("lists.jsonl").toFile())) {
            return lists.readAll();
        } catch (IOException e) {
            throw new ConfigException(scenes + "/lists.jsonl can't be read: " + e.getMessage(), e);
        }
    }

    private static String type(String name) {
        String ending = name.substring(name.lastIndexOf('.') + 1).toLowerCase(Locale.ROOT);
        return TYPES.getOrDefault(ending, "application/octet-stream");
    }

    static byte[] resource(String name) {
        try (InputStream in = Console.class.getClassLoader().getResourceAsStream(name)) {
            if (in == null) {
                throw new IllegalStateException("no resource " + name);
            }
            return in.readAllBytes();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
