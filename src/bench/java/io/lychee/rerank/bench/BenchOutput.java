package io.lychee.rerank.bench;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;

/** Figures on standard output: JSON, or a line each. */
final class BenchOutput {

    private BenchOutput() {}

    static void print(Map<String, Object> figures, boolean json) throws JsonProcessingException {
        if (json) {
            System.out.println(new ObjectMapper().writeValueAsString(figures));
        } else {
            lines(figures, "");
        }
    }

    @SuppressWarnings("unchecked") // figures hold nothing else
    private static void lines(Map<String, Object> figures, String indent) {
        figures.forEach((name, value) -> {
            if (!(value instanceof Map)) {
                System.out.printf(Locale.ROOT, "%s%-24s %s%n", indent, name, value);
                return;
            }
            Map<String, Object> inner = (Map<String, Object>) value;
            if (inner.values().stream().noneMatch(Map.class::isInstance) && inner.size() <= 6) {
                String row = inner.entrySet().stream()
                        .map(e -> "%s %-9s".formatted(e.getKey(), e.getValue()))
                        .collect(Collectors.joining("  "));
                System.out.printf(Locale.ROOT, "%s%-24s %s%n", indent, name, row);
            } else {
                System.out.println(indent + name);
                lines(inner, indent + "  ");
            }
        });
    }

    static double round(double value) {
        return Math.round(value * 100) / 100.0;
    }
}
