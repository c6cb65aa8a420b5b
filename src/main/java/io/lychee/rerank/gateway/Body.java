package io.lychee.rerank.gateway;

import com.fasterxml.jackson.databind.JsonNode;
import io.lychee.rerank.domain.Candidate;
import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.Content;
import io.lychee.rerank.domain.DataUri;
import io.lychee.rerank.domain.Image;
import io.lychee.rerank.domain.Urls;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Reads a request's JSON tree; an error names the path, what was found and what was expected. */
record Body(JsonNode tree) {

    @Nullable
    String optionalText(String field) {
        JsonNode node = optional(field);
        return node == null ? null : text(node, field);
    }

    boolean flag(String field, boolean fallback) {
        JsonNode node = optional(field);
        if (node == null) {
            return fallback;
        }
        if (!node.isBoolean()) {
            throw wrong(field, "true or false", node);
        }
        return node.asBoolean();
    }

    /** Null for all, which 0 means too. */
    @Nullable
    Integer topN() {
        JsonNode node = optional("top_n");
        if (node == null) {
            return null;
        }
        if (!node.canConvertToExactIntegral() || !node.canConvertToInt() || node.asInt() < 0) {
            throw wrong("top_n", "a whole number, at least 1, or 0 for all", node);
        }
        return node.asInt() == 0 ? null : node.asInt();
    }

    boolean has(String field) {
        return tree.hasNonNull(field);
    }

    /** Builds a list of {@code query} and {@code documents}. */
    CandidateList list(Gateway gateway, boolean textOnly) {
        return list(gateway, "query", "documents", textOnly);
    }

    /**
     * Builds a list under an id of the gateway's.
     *
     * @param query name of its field
     * @param documents name of their field: an array, or as in vLLM one object whose parts are the documents
     */
    CandidateList list(Gateway gateway, String query, String documents, boolean textOnly) {
        Content asked = content(required(query), query, textOnly);
        return list(gateway, asked, candidates(gateway, items(documents), documents, textOnly));
    }

    /** Builds a list for each distinct query, of its documents: those of one query, or one document for each query. */
    List<CandidateList> pairs(Gateway gateway, String queries, String documents) {
        JsonNode asked = required(queries);
        JsonNode given = items(documents);
        JsonNode items = given.isArray() ? given : Response.object().arrayNode().add(given);
        List<Candidate> all = candidates(gateway, items, documents, false);
        if (!asked.isArray() || asked.size() == 1) {
            JsonNode one = asked.isArray() ? asked.get(0) : asked;
            return List.of(list(gateway, content(one, queries, false), all));
        }
        if (asked.size() != all.size()) {
            throw wrong(queries, "one query, or as many as " + documents + ", " + all.size(), asked);
        }
        Map<JsonNode, List<Candidate>> byQuery = new LinkedHashMap<>();
        for (int i = 0; i < asked.size(); i++) {
            byQuery.computeIfAbsent(asked.get(i), query -> new ArrayList<>()).add(all.get(i));
        }
        List<CandidateList> lists = new ArrayList<>();
        byQuery.forEach((query, candidates) -> {
            String path = queries + "[" + candidates.get(0).id() + "]";
            lists.add(list(gateway, content(query, path, false), candidates));
        });
        return lists;
    }

    private static List<Candidate> candidates(Gateway gateway, JsonNode items, String documents, boolean textOnly) {
        if (!items.isArray() || items.isEmpty()) {
            throw wrong(documents, "an array of at least one document", items);
        }
        int most = gateway.config().limits().maxCandidates();
        if (items.size() > most) {
            throw HttpError.badRequest(documents + " has " + items.size() + " items; at most " + most
                    + " are taken (list.max-candidates)");
        }
        List<Candidate> candidates = new ArrayList<>();
        for (int i = 0; i < items.size(); i++) {
            Content content = content(items.get(i), documents + "[" + i + "]", textOnly);
            candidates.add(new Candidate(Integer.toString(i), content, null, Map.of(), null));
        }
        return candidates;
    }

    private CandidateList list(Gateway gateway, Content asked, List<Candidate> candidates) {
        return new CandidateList(
                gateway.nextId(),
                optionalText("instruction"),
                Map.of(),
                asked,
                candidates,
                topN(),
                gateway.listTimeoutMs());
    }

    /** Returns an array, also of one object's parts. */
    JsonNode items(String field) {
        JsonNode node = required(field);
        return node.path("content").isArray() ? node.get("content") : node;
    }

    private JsonNode required(String field) {
        JsonNode node = optional(field);
        if (node == null) {
            throw HttpError.badRequest(field + " is missing");
        }
        return node;
    }

    private @Nullable JsonNode optional(String field) {
        return tree.hasNonNull(field) ? tree.get(field) : null;
    }

    /** Reads a string, {@code {"text", "image"}}, or content parts as vLLM takes them. */
    private static Content content(JsonNode node, String path, boolean textOnly) {
        if (node.isTextual()) {
            String text = node.asText();
            return !textOnly && DataUri.isPicture(text)
                    ? new Content(null, List.of(image(node, path)))
                    : new Content(text, List.of());
        }
        if (textOnly) {
            throw wrong(path, "a string", node);
        }
        List<String> texts = new ArrayList<>();
        List<Image> images = new ArrayList<>();
        if (node.isObject() && node.has("content")) {
            JsonNode content = node.get("content");
            if (content.isTextual()) {
                texts.add(content.asText());
            } else {
                parts(content, path + ".content", texts, images);
            }
        } else if (node.isObject() && node.has("type")) {
            part(node, path, texts, images);
        } else if (node.isObject() && (node.has("text") || node.has("image"))) {
            if (node.hasNonNull("text")) {
                texts.add(text(node.get("text"), path + ".text"));
            }
            JsonNode image = node.path("image");
            if (image.isArray()) {
                image.forEach(one -> images.add(image(one, path + ".image")));
            } else if (node.hasNonNull("image")) {
                images.add(image(image, path + ".image"));
            }
        } else {
            throw wrong(path, "a string, {\"text\", \"image\"} or {\"content\": [parts]}", node);
        }
        return new Content(texts.isEmpty() ? null : String.join("\n", texts), images);
    }

    private static void parts(JsonNode parts, String path, List<String> texts, List<Image> images) {
        if (!parts.isArray()) {
            throw wrong(path, "a string or an array of parts", parts);
        }
        for (int i = 0; i < parts.size(); i++) {
            part(parts.get(i), path + "[" + i + "]", texts, images);
        }
    }

    private static void part(JsonNode part, String path, List<String> texts, List<Image> images) {
        switch (part.path("type").asText()) {
            case "text" -> texts.add(text(part.path("text"), path + ".text"));
            case "image_url" -> {
                JsonNode url = part.path("image_url");
                images.add(image(url.isObject() ? url.path("url") : url, path + ".image_url"));
            }
            default -> throw wrong(path, "a part of type text or image_url", part);
        }
    }

    private static Image image(JsonNode node, String path) {
        String text = Urls.clean(text(node, path));
        String start = text.substring(0, Math.min(6, text.length())).toLowerCase(Locale.ROOT);
        if (start.startsWith("https:") || start.startsWith("http:")) {
            return new Image.Reference(text);
        }
        byte[] data = DataUri.parse(start.startsWith("data:") ? text : "data:;base64," + text);
        if (data == null || start.startsWith("file:") || data.length == 0) {
            throw wrong(path, "an image: https://…, data:image/…;base64,…, or base64", node);
        }
        return notSvg(new Image.Bytes(data), path);
    }

    /** Refuses markup as an image: the job can't draw it, and pages that show answers must not carry it. */
    static Image notSvg(Image.Bytes image, String path) {
        for (byte b : image.data()) {
            if (b == '<') {
                throw HttpError.badRequest(path + " is SVG or other markup; expected JPEG, PNG, WebP or GIF");
            }
            if (b > ' ') {
                break; // lower ones are white space and, being negative, a byte-order mark
            }
        }
        return image;
    }

    private static String text(JsonNode node, String path) {
        if (!node.isTextual()) {
            throw wrong(path, "a string", node);
        }
        return node.asText();
    }

    static HttpError wrong(String path, String expected, JsonNode found) {
        String json = found.isMissingNode() ? "nothing" : found.toString();
        String shown = json.length() <= 60 ? json : json.substring(0, 59) + "…";
        return HttpError.badRequest(path + ": expected " + expected + ", found " + shown);
    }
}
