package io.lychee.rerank.gateway;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lychee.rerank.checkpoint.CheckpointFiles;
import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.RerankConfig;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * The console's files, which are resources read once and known by name, so that no path leads elsewhere; the scenes to
 * try; and what the console has to know about this gateway.
 */
final class Console {

    /** What a browser is told of a file, by its ending. */
    private static final Map<String, String> TYPES = Map.of(
            "html", "text/html; charset=utf-8",
            "css", "text/css; charset=utf-8",
            "js", "text/javascript; charset=utf-8",
            "json", Response.JSON,
            "jpg", "image/jpeg",
            "jpeg", "image/jpeg",
            "png", "image/png",
            "webp", "image/webp");

    private static final String[] FILES = {
        "index.html", "style.css", "app.js", "content.js", "single.js", "batch.js", "live.js", "words.js", "parts.js",
    };

    private static final ObjectMapper JSON = new ObjectMapper();

    private final Gateway gateway;
    private final Readiness readiness;
    private final @Nullable Path scenes;

    /** @param scenes folder of {@code lists.jsonl} and the pictures it names; null where there are none */
    Console(Gateway gateway, Readiness readiness, @Nullable Path scenes) {
        this.gateway = gateway;
        this.readiness = readiness;
        this.scenes = scenes;
    }

    void addTo(Router router) {
        for (String name : FILES) {
            Response file = Response.of(type(name), resource("console/" + name));
            router.add("/" + name, (Route.Get) path -> file);
        }
        Response page = Response.of(type("index.html"), resource("console/index.html"));
        router.add("/", (Route.Get) path -> page);
        Response description = Response.of(Response.JSON, resource("openapi.json"));
        router.add("/openapi.json", (Route.Get) path -> description);
        router.add("/health/live", (Route.Get)
                path -> Response.json(200, Response.object().put("status", "live")));
        router.add("/health/ready", (Route.Get) path -> readiness.respond(gateway));
        router.add("/api/info", (Route.Get) path -> Response.json(200, info()));
        Response lists = Response.json(200, lists());
        router.add("/api/scenes", (Route.Get) path -> lists);
        if (scenes != null) {
            Map<String, Response> pictures = pictures(scenes);
            pictures.forEach((name, picture) -> router.add("/scenes/" + name, (Route.Get) path -> picture));
        }
    }

    private ObjectNode info() {
        RerankConfig config = gateway.config();
        ObjectNode tree = Response.object();
        tree.put("model", readiness.model(gateway));
        tree.put("instruction", config.prompt().instruction());
        tree.put("max_candidates", config.limits().maxCandidates());
        tree.put("max_pixels", config.limits().maxPixels());
        tree.put("demo_checkpoint", demo(config.model().checkpoint()));
        return tree;
    }

    /** Whether the checkpoint is the one beside the scenes. */
    private boolean demo(String checkpoint) {
        return scenes != null
                && CheckpointFiles.of(checkpoint)
                        .equals(new CheckpointFiles(
                                scenes.resolve("checkpoint").toAbsolutePath().normalize()));
    }

    private ArrayNode lists() {
        ArrayNode lists = Response.object().arrayNode();
        if (scenes != null && Files.isRegularFile(scenes.resolve("lists.jsonl"))) {
            try {
                for (String line : Files.readAllLines(scenes.resolve("lists.jsonl"))) {
                    if (!line.isBlank()) {
                        JsonNode list = JSON.readTree(line);
                        lists.add(list);
                    }
                }
            } catch (IOException e) {
                throw new ConfigException(scenes + "/lists.jsonl can't be read: " + e.getMessage(), e);
            }
        }
        return lists;
    }

    /** Every picture below the folder by its name relative to it, read once: a demo's are few and small. */
    private static Map<String, Response> pictures(Path folder) {
        Map<String, Response> pictures = new TreeMap<>();
        try (var files = Files.walk(folder, 3)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                String type = type(file.getFileName().toString());
                if (type.startsWith("image/") && Files.size(file) < 1 << 20 && pictures.size() < 2000) {
                    String name = folder.relativize(file).toString();
                    pictures.put(name, Response.of(type, Files.readAllBytes(file)));
                }
            }
        } catch (IOException | UncheckedIOException e) {
            throw new ConfigException("the scenes in " + folder + " can't be read: " + e.getMessage(), e);
        }
        return pictures;
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
