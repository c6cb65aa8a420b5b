package io.lychee.rerank.config;

import java.lang.reflect.RecordComponent;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import org.apache.flink.configuration.ConfigurationUtils;
import org.apache.flink.configuration.MemorySize;
import org.jspecify.annotations.Nullable;

/** Parses and checks the value of one declared key. */
final class Option {

    private final Key declared;
    private final Class<?> type;
    private final String doc;

    Option(RecordComponent component) {
        declared = Objects.requireNonNull(component.getAnnotation(Key.class), component::toString);
        type = component.getType();
        Doc described = component.getAnnotation(Doc.class);
        doc = described == null ? "" : described.value();
    }

    String key() {
        return declared.name();
    }

    /** As written in a configuration file; null for a key that must be set. */
    @Nullable
    String defaultValue() {
        return declared.byDefault().equals(Key.REQUIRED) ? null : declared.byDefault();
    }

    String doc() {
        return doc;
    }

    String formerly() {
        return declared.formerly();
    }

    boolean isPrefix() {
        return type == Map.class;
    }

    boolean matches(String key) {
        return isPrefix() ? key.startsWith(key()) : key.equals(key());
    }

    /** @throws ConfigException when the key is missing, or its value of another type or out of bounds */
    Object read(Map<String, String> values) {
        if (isPrefix()) {
            Map<String, String> suffixes = new TreeMap<>();
            values.forEach((key, value) -> {
                if (matches(key)) {
                    suffixes.put(key.substring(key().length()), value);
                }
            });
            return suffixes;
        }
        String text = values.getOrDefault(key(), declared.byDefault());
        if (text.equals(Key.REQUIRED)) {
            throw new ConfigException(key() + " is not set; it has no default");
        }
        if (type == List.class) {
            return text.isBlank() ? List.of() : ConfigurationUtils.convertToList(text, String.class);
        }
        if (type == String.class && text.isBlank() && !declared.byDefault().isEmpty()) {
            throw new ConfigException(key() + " is empty");
        }
        Comparable<Object> value = parse(text);
        boolean low =
                declared.min().isEmpty() ? value.equals(Duration.ZERO) : value.compareTo(parse(declared.min())) < 0;
        boolean high = !declared.max().isEmpty() && value.compareTo(parse(declared.max())) > 0;
        if (low || high) {
            throw refused(text, range(), null);
        }
        if (!declared.bytes()) {
            return value;
        }
        long bytes = ((MemorySize) (Object) value).getBytes();
        return type == long.class ? (Object) bytes : (Object) Math.toIntExact(bytes);
    }

    @SuppressWarnings("unchecked") // every type of a key is comparable with itself
    private Comparable<Object> parse(String text) {
        try {
            return (Comparable<Object>) ConfigurationUtils.convertValue(text, parsedType());
        } catch (RuntimeException e) { // whatever Flink's parsers throw
            throw refused(text, expected(), e);
        }
    }

    private Class<?> parsedType() {
        if (declared.bytes()) {
            return MemorySize.class;
        }
        return type == int.class
                ? Integer.class
                : type == double.class ? Double.class : type == boolean.class ? Boolean.class : type;
    }

    private String expected() {
        if (type.isEnum()) {
            return "one of "
                    + Arrays.stream(type.getEnumConstants())
                            .map(one -> ((Enum<?>) one)
                                    .name()
                                    .toLowerCase(Locale.ROOT)
                                    .replace('_', '-'))
                            .toList();
        }
        if (declared.bytes()) {
            return "a size, such as 64 mb";
        }
        return type == Duration.class
                ? "a duration, such as 10 s"
                : type == boolean.class ? "true or false" : type == int.class ? "a whole number" : "a number";
    }

    private String range() {
        if (declared.max().isEmpty()) {
            return declared.min().isEmpty() ? "more than 0" : "at least " + declared.min();
        }
        return declared.min().isEmpty() ? "at most " + declared.max() : declared.min() + " to " + declared.max();
    }

    private ConfigException refused(String text, String expected, @Nullable Throwable cause) {
        return new ConfigException(key() + " is " + text + "; expected " + expected, cause);
    }
}
