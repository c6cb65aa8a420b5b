package io.lychee.rerank.cli;

import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.ConfigKeys;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.records.CandidateListDecoder;
import io.lychee.rerank.wire.UnreadableException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * Holds the lists of {@code demo/lists.jsonl}, as lines of JSON and decoded.
 *
 * @param folder has {@code checkpoint} and the lists' images too
 */
public record DemoShop(Path folder, List<String> lines, List<CandidateList> lists) {

    public static DemoShop load() throws IOException {
        Path folder = bundled();
        Path file = folder.resolve("lists.jsonl");
        if (!Files.exists(file)) {
            throw new ConfigException("no " + file + "; is the launcher in the project's folder?");
        }
        List<String> lines = Files.readAllLines(file).stream()
                .filter(line -> !line.isBlank())
                .toList();
        CandidateListDecoder decoder = new CandidateListDecoder(RerankConfig.of(defaults(folder)));
        List<CandidateList> lists = new ArrayList<>();
        for (String line : lines) {
            try {
                lists.add(decoder.decode(line.getBytes(StandardCharsets.UTF_8)));
            } catch (UnreadableException e) {
                throw new ConfigException(
                        file + " has a line that is no candidate list: " + file + ":" + (lists.size() + 1), e);
            }
        }
        return new DemoShop(folder, lines, lists);
    }

    /** Returns the bundled checkpoint and images as defaults of a configuration. */
    public Map<String, String> defaults() {
        return defaults(folder);
    }

    static Path bundled() {
        return Main.home().resolve("demo");
    }

    static Map<String, String> defaults(Path folder) {
        return Map.of(
                ConfigKeys.CHECKPOINT,
                folder.resolve("checkpoint").toString(),
                ConfigKeys.IMAGE_ROOTS,
                folder.toString());
    }
}
