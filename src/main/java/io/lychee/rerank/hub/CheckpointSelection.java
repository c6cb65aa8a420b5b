package io.lychee.rerank.hub;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** Knows which files of a repository a checkpoint needs, and which of them are missing. */
final class CheckpointSelection {

    private static final List<String> REQUIRED = List.of("config.json", "tokenizer.json", "preprocessor_config.json");
    private static final String WEIGHTS = "model.safetensors";
    private static final String INDEX = "model.safetensors.index.json";
    private static final Pattern SHARD = Pattern.compile("model-\\d+-of-\\d+\\.safetensors");
    private static final Pattern OTHERS = Pattern.compile("config\\.json|generation_config\\.json"
            + "|tokenizer[\\w.-]*\\.json|special_tokens_map\\.json|added_tokens\\.json|vocab\\.(json|txt)|merges\\.txt"
            + "|(video_)?preprocessor_config\\.json|processor_config\\.json|chat_template\\.(json|jinja)"
            + "|(LICENSE|NOTICE|README)(\\.\\w+)?");
    private static final ObjectMapper JSON = new ObjectMapper();

    private CheckpointSelection() {}

    /** Selects what the engine and a reader of the folder need: no other format, no other folder. */
    static boolean includes(String name) {
        return name.equals(WEIGHTS)
                || name.equals(INDEX)
                || SHARD.matcher(name).matches()
                || OTHERS.matcher(name).matches();
    }

    /** Drops the shards beside a single file of weights, which hold the same. */
    static List<RemoteFile> once(List<RemoteFile> selected) {
        boolean single = names(selected).contains(WEIGHTS);
        return selected.stream()
                .filter(file -> !single || !SHARD.matcher(file.name()).matches())
                .toList();
    }

    /** Names the files that a repository lacks to be a checkpoint. */
    static List<String> missing(List<RemoteFile> selected) {
        Set<String> names = names(selected);
        boolean weights = names.contains(WEIGHTS) || names.contains(INDEX);
        return Stream.concat(
                        REQUIRED.stream().filter(name -> !names.contains(name)),
                        weights ? Stream.empty() : Stream.of(WEIGHTS + " or " + INDEX))
                .toList();
    }

    /** Names the files that a snapshot directory lacks to be a complete checkpoint. */
    static List<String> missing(Path directory) {
        Predicate<String> absent = name -> !Files.isRegularFile(directory.resolve(name));
        Set<String> needed = new TreeSet<>(REQUIRED);
        if (absent.test(WEIGHTS)) {
            needed.add(absent.test(INDEX) ? WEIGHTS + " or " + INDEX : INDEX);
            needed.addAll(shards(directory.resolve(INDEX)));
        }
        return needed.stream().filter(absent).toList();
    }

    private static Set<String> names(List<RemoteFile> files) {
        Set<String> names = new TreeSet<>();
        files.forEach(file -> names.add(file.name()));
        return names;
    }

    /** Reads the names of shards; none where the index is absent or no JSON, which the engine reports. */
    private static Set<String> shards(Path index) {
        Set<String> shards = new TreeSet<>();
        try {
            JSON.readTree(index.toFile()).path("weight_map").forEach(shard -> shards.add(shard.asText()));
        } catch (IOException e) {
            return Set.of();
        }
        return shards;
    }
}
