package io.lychee.rerank.checkpoint;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.lychee.rerank.config.ConfigException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** Reads a Hugging Face checkpoint directory. Every fault in it is a {@link ConfigException}. */
public record CheckpointFiles(Path directory) {

    private static final String WEIGHTS = "model.safetensors";
    private static final String INDEX = "model.safetensors.index.json";
    private static final Pattern HUB = Pattern.compile("(hf|modelscope):");
    /** A snapshot in the cache of Hugging Face or ModelScope. */
    private static final Pattern SNAPSHOT = Pattern.compile(".*/(models--|models/)([^/]+?)--([^/]+)/snapshots/.+");

    private static final Pattern HUB_NAME = Pattern.compile("[\\w-][\\w.-]*/[\\w-][\\w.-]*");

    private static final ObjectMapper JSON = new ObjectMapper();

    /**
     * @param checkpoint the value of {@code model.checkpoint}
     * @throws ConfigException when there is no such directory
     */
    public static CheckpointFiles of(String checkpoint) {
        if (HUB.matcher(checkpoint).lookingAt()) {
            throw new ConfigException(("model.checkpoint is %s, which is not downloaded here; expected a directory:"
                            + " ./lychee pull %s downloads the model and prints its directory")
                    .formatted(checkpoint, checkpoint));
        }
        Path directory = Path.of(checkpoint).toAbsolutePath().normalize();
        if (!Files.isDirectory(directory)) {
            throw new ConfigException("model.checkpoint is %s: %s; expected a Hugging Face checkpoint directory"
                    .formatted(
                            checkpoint,
                            Files.exists(directory) ? directory + " is not a directory" : "no directory " + directory));
        }
        try {
            return new CheckpointFiles(directory.toRealPath());
        } catch (IOException e) {
            throw new ConfigException("model.checkpoint is %s, which can't be read: %s".formatted(checkpoint, e), e);
        }
    }

    /**
     * Names the checkpoint: a hub's snapshot by ORG/NAME, any other by its directory, links followed, with the
     * organisation of its {@code _name_or_path} where that has the same name. A fine-tune may hold its base's.
     */
    public String name() {
        Matcher snapshot = SNAPSHOT.matcher(directory.toString());
        if (snapshot.matches()) {
            return snapshot.group(2) + "/" + snapshot.group(3);
        }
        String saved = has(ConfigReader.FILE)
                ? json(ConfigReader.FILE).path("_name_or_path").asText()
                : "";
        String name =
                Objects.requireNonNullElse(directory.getFileName(), directory).toString();
        return HUB_NAME.matcher(saved).matches() && saved.endsWith("/" + name) ? saved : name;
    }

    public boolean has(String name) {
        return Files.isRegularFile(directory.resolve(name));
    }

    /** @throws ConfigException when the checkpoint lacks this file */
    public Path file(String name) {
        if (!has(name)) {
            throw new ConfigException(
                    "model.checkpoint is %s, which has no %s; is it a complete Hugging Face checkpoint?"
                            .formatted(directory, name));
        }
        return directory.resolve(name);
    }

    /**
     * Lists the files with the weights: {@code model.safetensors}, or the shards that its index names.
     *
     * @throws ConfigException when there is neither, or a shard is missing
     */
    public List<Path> weights() {
        if (has(WEIGHTS)) {
            return List.of(file(WEIGHTS));
        }
        if (!has(INDEX)) {
            throw new ConfigException(
                    "model.checkpoint is %s, which has neither %s nor %s".formatted(directory, WEIGHTS, INDEX));
        }
        Set<String> shards = new TreeSet<>();
        json(INDEX).path("weight_map").forEach(shard -> shards.add(shard.asText()));
        return shards.stream().map(this::file).toList();
    }

    /** Lists the other files that scores depend on: configuration, tokenizer and image processor. */
    public List<Path> settings() {
        return Stream.of(ConfigReader.FILE, "tokenizer.json", "preprocessor_config.json")
                .map(this::file)
                .toList();
    }

    /** @throws ConfigException when the checkpoint lacks this file, or it isn't a JSON object */
    public JsonNode json(String name) {
        Path file = file(name);
        JsonNode node;
        try {
            node = JSON.readTree(file.toFile());
        } catch (JacksonException e) {
            throw new ConfigException(
                    "%s (model.checkpoint) is not JSON: %s".formatted(file, e.getOriginalMessage()), e);
        } catch (IOException e) {
            throw new ConfigException("%s (model.checkpoint) can't be read: %s".formatted(file, e), e);
        }
        if (!node.isObject()) {
            throw new ConfigException("%s (model.checkpoint) is not a JSON object".formatted(file));
        }
        return node;
    }
}
