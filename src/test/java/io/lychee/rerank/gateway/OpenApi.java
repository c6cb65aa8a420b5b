package io.lychee.rerank.gateway;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.util.HashSet;
import java.util.Set;

/**
 * {@code openapi.json}, and whether what was seen on the wire is described there: path, status, every field, its type.
 */
record OpenApi(JsonNode root) {

    static OpenApi read() {
        return new OpenApi(Http.parse(new String(Console.resource("openapi.json"), StandardCharsets.UTF_8)));
    }

    Set<String> paths() {
        Set<String> paths = new HashSet<>();
        root.get("paths").fieldNames().forEachRemaining(paths::add);
        return paths;
    }

    void describes(String path, String method, Http.Told told) {
        JsonNode response = resolve(
                root.get("paths").get(path).path(method).path("responses").path(Integer.toString(told.status())));
        if (response.isMissingNode() && told.status() == 405) {
            return; // a method that is not described
        }
        assertThat(response.isObject())
                .as("%s of %s is described", told.status(), path)
                .isTrue();
        JsonNode schema = response.path("content").path("application/json").path("schema");
        if (told.header("Content-Type").startsWith("application/json")) {
            assertThat(problem(schema, told.json(), path)).isNull();
        } else {
            assertThat(response.path("content").has(told.header("Content-Type").replaceFirst(";.*", "")))
                    .as("%s answers %s", path, told.header("Content-Type"))
                    .isTrue();
        }
    }

    void describesRequest(String path, String json) {
        JsonNode schema = root.get("paths").get(path).at("/post/requestBody/content/application~1json/schema");
        assertThat(problem(schema, Http.parse(json), path)).isNull();
    }

    /** What is wrong with {@code value}; null when nothing is. */
    private String problem(JsonNode given, JsonNode value, String at) {
        JsonNode schema = resolve(given);
        if (schema.has("oneOf")) {
            for (JsonNode branch : schema.get("oneOf")) {
                if (problem(branch, value, at) == null) {
                    return null;
                }
            }
            return at + ": " + value + " is none of " + schema.get("oneOf");
        }
        String type = schema.path("type").isArray()
                ? (value.isNull() ? "null" : schema.path("type").get(0).asText())
                : schema.path("type").asText();
        boolean fits = switch (type) {
            case "null" -> value.isNull();
            case "string" -> value.isTextual();
            case "integer" -> value.isIntegralNumber();
            case "number" -> value.isNumber();
            case "boolean" -> value.isBoolean();
            case "array" -> value.isArray();
            case "object" -> value.isObject();
            default -> false;
        };
        if (!fits) {
            return at + ": " + value + " is no " + type + " as described by " + schema;
        }
        if (value.isArray()) {
            for (JsonNode item : value) {
                String problem = problem(schema.path("items"), item, at + "[]");
                if (problem != null) {
                    return problem;
                }
            }
        }
        for (JsonNode name : schema.path("required")) {
            if (!value.has(name.asText())) {
                return at + "." + name.asText() + " is required and missing";
            }
        }
        for (var field : value.properties()) {
            JsonNode described = schema.path("properties").path(field.getKey());
            if (described.isMissingNode()) {
                described = schema.path("additionalProperties");
            }
            if (described.isMissingNode()) {
                return at + "." + field.getKey() + " is not described";
            }
            String problem = problem(described, field.getValue(), at + "." + field.getKey());
            if (problem != null) {
                return problem;
            }
        }
        return null;
    }

    private JsonNode resolve(JsonNode node) {
        return node.has("$ref") ? root.at(node.get("$ref").asText().substring(1)) : node;
    }
}
