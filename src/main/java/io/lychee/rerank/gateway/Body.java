package io.lychee.rerank.gateway;

import com.fasterxml.jackson.databind.JsonNode;
import io.lychee.rerank.domain.Candidate;
import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.Content;
import io.lychee.rerank.domain.Image;
import io.lychee.rerank.domain.Urls;
import io.lychee.rerank.wire.DataUri;
import java.util.ArrayList;
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

    /** Builds a list of {@code query} and {@code documents}, under an id of the gateway's. */
    CandidateList list(Gateway gateway, boolean textOnly) {
        Content query = content(required("query"), "query", textOnly);
        JsonNode documents = required("documents");
        if (!documents.isArray() || documents.isEmpty()) {
            throw wrong("documents", "an array of at least one document", documents);
        }
        int most = gateway.config().limits().maxCandidates();
        if (documents.size() > most) {
            throw HttpError.badRequest("documents has " + documents.size() + " items; at most " + most
                    + " are taken (list.max-candidates)");
        }
        List<Candidate> candidates = new ArrayList<>();
        for (int i = 0; i < documents.size(); i++) {
            Content content = content(documents.get(i), "documents[" + i + "]", textOnly);
            candidates.add(new Candidate(Integer.toString(i), content, null, Map.of(), null));
        }
        return new CandidateList(
                gateway.nextId(),
                optionalText("instruction"),
                Map.of(),
                query,
                candidates,
                topN(),
                gateway.listTimeoutMs());
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
            JsonNode part = parts.get(i);
            String at = path + "[" + i + "]";
            switch (part.path("type").asText()) {
                case "text" -> texts.add(text(part.path("text"), at + ".text"));
                case "image_url" -> {
                    JsonNode url = part.path("image_url");
                    images.add(image(url.isObject() ? url.path("url") : url, at + ".image_url"));
                }
                default -> throw wrong(at, "a part of type text or image_url", part);
            }
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
