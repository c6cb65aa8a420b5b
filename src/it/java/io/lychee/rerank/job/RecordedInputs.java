package io.lychee.rerank.job;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lychee.rerank.image.Pictures;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;

/**
 * Generates records for {@link RecordedAnswersMaker}: mutated lists, damaged pictures, edge cases, lists of the shop.
 */
final class RecordedInputs {

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String[] NAMES = {"chair", "椅子", "shoe", "鞋", "vase", "lamp", "dress", "裙子"};
    private static final String[] KINDS = {"red", "dotted", "素色", "luxury", "甜美", "striped", "cheap"};
    private static final String[] INSTRUCTIONS = {
        "Given a product, retrieve products of the same colour",
        "Given a shopper's request, retrieve products that meet it",
        "判断商品是否符合用户的需求",
        "Given a web search query, retrieve relevant passages that answer the query."
    };

    private final Random random;
    private final List<JsonNode> shop = new ArrayList<>();
    private final List<byte[]> pictures = new ArrayList<>();
    private final List<String> references = new ArrayList<>();

    RecordedInputs(Random random) throws IOException {
        this.random = random;
        for (String line : Files.readAllLines(Path.of("demo/lists.jsonl"))) {
            shop.add(JSON.readTree(line));
        }
        try (Stream<Path> files = Files.list(Path.of("src/test/resources/images"))) {
            for (Path file : files.filter(file -> file.toString().matches(".*\\.(jpg|png|webp|gif|bmp)"))
                    .sorted()
                    .toList()) {
                pictures.add(Files.readAllBytes(file));
                references.add("file:test/" + file.getFileName());
            }
        }
    }

    /** Makes a list of few words, two of three with some bytes changed. */
    byte[] mutated(int i) {
        String name = pick(NAMES);
        ObjectNode list = list("q" + i, pick(KINDS) + " " + name);
        for (int n = random.nextInt(3); n >= 0; n--) {
            candidate(list, pick(KINDS) + " " + (random.nextBoolean() ? name : pick(NAMES)) + " " + n);
            if (random.nextInt(10) == 0) {
                images(list, list.path("candidates").size() - 1)
                        .add(random.nextBoolean() ? pick(references) : "file:test/picture-" + n);
            }
        }
        byte[] bytes = encoded(list);
        return random.nextInt(3) == 0 ? bytes : mutate(bytes);
    }

    private byte[] mutate(byte[] bytes) {
        byte[] mutated = bytes.clone();
        for (int i = random.nextInt(3); i >= 0; i--) {
            // half of it where headers are
            int at = random.nextInt(random.nextBoolean() ? mutated.length : Math.min(64, mutated.length));
            switch (random.nextInt(12)) {
                case 0, 1, 2, 3, 4 -> mutated[at] ^= (byte) (1 << random.nextInt(8));
                case 5, 6, 7, 8, 9 -> mutated[at] = (byte) random.nextInt(256);
                case 10 -> mutated = Arrays.copyOf(mutated, Math.max(1, at));
                default -> mutated = Arrays.copyOf(mutated, mutated.length + random.nextInt(5));
            }
        }
        return mutated;
    }

    /** Makes a list with damaged pictures inside, in one of twenty as its query, else in its candidates. */
    byte[] hostile(int i) {
        ObjectNode list = list("hostile-" + i, pick(NAMES));
        // of a damaged query and damaged candidates, the answer depends on which is found first
        boolean inQuery = i % 20 == 0;
        if (inQuery) {
            ((ObjectNode) list.path("query")).withArray("images").add(dataUri(hostilePicture()));
        }
        for (int n = random.nextInt(3); n >= 0; n--) {
            candidate(list, inQuery || random.nextBoolean() ? pick(KINDS) : null);
            if (!inQuery) {
                images(list, list.path("candidates").size() - 1).add(dataUri(hostilePicture()));
            }
        }
        return encoded(list);
    }

    private byte[] hostilePicture() {
        return Pictures.hostile(pick(pictures.toArray(byte[][]::new)), random);
    }

    private static String dataUri(byte[] picture) {
        return "data:image/jpeg;base64," + Base64.getEncoder().encodeToString(picture);
    }

    /** Makes a list at a limit, or a record that is no list; 25 kinds in turn. */
    byte[] edge(int i) {
        ObjectNode list = list("edge-" + i, pick(KINDS) + " " + pick(NAMES));
        candidate(list, pick(KINDS) + " " + pick(NAMES) + " a");
        candidate(list, pick(KINDS) + " " + pick(NAMES) + " b");
        switch (i % 25) {
            case 0 -> {
                return null;
            }
            case 1 -> {
                return " \n\t".substring(random.nextInt(4)).getBytes(StandardCharsets.UTF_8);
            }
            case 2 -> {
                return (pick(KINDS) + " is no list").getBytes(StandardCharsets.UTF_8);
            }
            case 3 -> {
                byte[] avro = AvroLists.encode(list);
                avro[2 + random.nextInt(8)]++;
                return avro;
            }
            case 4 -> ((ObjectNode) list.path("attributes")).put("note", "x".repeat(120_000));
            case 5 -> list.put("request_id", pick(KINDS) + " !");
            case 6 -> list.put("top_n", -random.nextInt(3));
            case 7 -> list.put("timeout_ms", 0);
            case 8 -> Collections.nCopies(20, "one more").forEach(text -> candidate(list, text));
            case 9 -> {
                list.remove(pick(new String[] {"request_id", "query", "candidates"}));
                return json(list);
            }
            case 10 -> {
                list.put("channel", "app").putObject("more").putArray("and").add(7);
                return json(list);
            }
            case 11 -> {
                return ("\ufeff \n" + list).getBytes(StandardCharsets.UTF_8);
            }
            case 12 -> list.putArray("candidates");
            case 13 -> list.putObject("query").put("text", random.nextBoolean() ? "" : null);
            case 14 -> candidate(list, random.nextBoolean() ? " " : null);
            case 15 -> Collections.nCopies(9, pick(references)).forEach(images(list, 0)::add);
            case 16 -> images(list, 1).add(pick(new String[] {"file:../pom.xml", "file:/etc/hosts", "ftp://x/y", "x"}));
            case 17 -> candidate(list, (pick(KINDS) + " ").repeat(300));
            case 18 -> {
                candidate(list, (pick(KINDS) + " ").repeat(300));
                Collections.nCopies(8, "file:images/shoe-168.jpg").forEach(images(list, 2)::add);
            }
            case 19 -> ((ObjectNode) list.path("query")).put("text", (pick(NAMES) + " ").repeat(100));
            case 20 -> images(list, 0).add("file:test/absent.jpg");
            case 21 -> ((ObjectNode) list.path("query")).withArray("images").add("file:test/absent.jpg");
            case 22 -> candidate(list, "ﬁne ＶＡＳＥ №５ e\u0301" + pick(NAMES));
            // twice as long in JSON
            case 23 -> ((ObjectNode) list.path("attributes")).put("note", "\"".repeat(60_000));
            default -> {
                ((ObjectNode) list.path("candidates").path(0)).put("retrieval_score", "high");
                return json(list);
            }
        }
        return encoded(list);
    }

    /** Makes a list of a few candidates of one of the demo shop's. */
    byte[] ofShop(int i) {
        ObjectNode list = shop.get(random.nextInt(shop.size())).deepCopy();
        list.put("request_id", list.path("request_id").asText() + "-" + i);
        List<JsonNode> candidates = new ArrayList<>();
        list.path("candidates").forEach(candidates::add);
        int count = 3 + random.nextInt(3);
        while (candidates.size() > count) {
            int one = random.nextInt(candidates.size());
            // keeps more of the relevant candidates, which are few
            if (candidates.get(one).path("relevance").asInt() == 0 || random.nextInt(4) == 0) {
                candidates.remove(one);
            }
        }
        list.putArray("candidates").addAll(candidates);
        if (random.nextInt(4) == 0) {
            list.put("top_n", 1 + random.nextInt(count));
        }
        int instruction = random.nextInt(2 * INSTRUCTIONS.length);
        if (instruction < INSTRUCTIONS.length) {
            list.put("instruction", INSTRUCTIONS[instruction]);
        } else if (instruction == INSTRUCTIONS.length) {
            list.putNull("instruction");
        }
        if (random.nextInt(8) == 0) {
            candidates.forEach(candidate ->
                    ((ObjectNode) candidate).withObject("attributes").put("brand", pick(KINDS)));
        }
        return encoded(list);
    }

    private static ObjectNode list(String id, String query) {
        ObjectNode list = JSON.createObjectNode().put("request_id", id);
        list.putObject("attributes").put("group", "g");
        list.putObject("query").put("text", query);
        list.putArray("candidates");
        return list;
    }

    private void candidate(ObjectNode list, String text) {
        ArrayNode candidates = list.withArray("candidates");
        int n = candidates.size();
        ObjectNode candidate = candidates.addObject().put("id", "c" + n).put("text", text);
        candidate.put("retrieval_score", n / 2.0).put("relevance", n);
        candidate.putObject("attributes").put("sales", Integer.toString(random.nextInt(2000)));
    }

    private static ArrayNode images(ObjectNode list, int candidate) {
        return ((ObjectNode) list.path("candidates").path(candidate)).withArray("images");
    }

    private <T> T pick(T[] values) {
        return values[random.nextInt(values.length)];
    }

    private String pick(List<String> values) {
        return values.get(random.nextInt(values.size()));
    }

    private byte[] encoded(ObjectNode list) {
        return random.nextBoolean() ? AvroLists.encode(list) : json(list);
    }

    private static byte[] json(JsonNode list) {
        return list.toString().getBytes(StandardCharsets.UTF_8);
    }
}
