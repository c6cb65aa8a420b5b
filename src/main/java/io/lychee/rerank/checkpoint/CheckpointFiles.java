package io.lychee.rerank.checkpoint;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.lychee.rerank.config.ConfigException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/** A Hugging Face checkpoint directory, by its files. Whatever is wrong with it is one {@link ConfigException}. */
public record CheckpointFiles(Path directory) {

    /** Which shard holds which tensor, where there is more than one file. */
    public static final String INDEX = "model.safetensors.index.json";

    private static final String WEIGHTS = "model.safetensors";
    private static final ObjectMapper JSON = new ObjectMapper();

    /**
     * @param checkpoint the value of {@code model.checkpoint}
     * @throws ConfigException when there is no such directory
     */
    public static CheckpointFiles of(String checkpoint) {
        Path directory = Path.of(checkpoint).toAbsolutePath().normalize();
        if (!Files.isDirectory(directory)) {
            throw new ConfigException("model.checkpoint is %s: %s; expected a Hugging Face checkpoint directory"
                    .formatted(
                            checkpoint,
                            Files.exists(directory) ? directory + " is not a directory" : "no directory " + directory));
        }
        return new CheckpointFiles(directory);
    }

    /** The name a person knows it by. */
    public String name() {
        Path name = directory.getFileName();
        return name == null ? directory.toString() : name.toString();
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
     * The files with the weights: {@code model.safetensors}, or the shards that its index names.
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
        weightMap().forEach(shard -> shards.add(shard.asText()));
        return shards.stream().map(this::file).toList();
    }

    /** By each tensor's name the name of its shard; empty where all are in one file. */
    public JsonNode weightMap() {
        return has(WEIGHTS) ? JSON.createObjectNode() : json(INDEX).path("weight_map");
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
