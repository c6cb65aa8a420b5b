package io.lychee.rerank.config;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.RecordComponent;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Makes records of keys and values: a component is a {@link Key}, or a record of such components. */
final class ConfigBinder {

    private static final Logger LOG = LoggerFactory.getLogger(ConfigBinder.class);

    /** Misspelled keys are at most this many edits away from the one suggested. */
    private static final int MAX_EDITS = 3;

    private ConfigBinder() {}

    /** Lists the keys of a record and of the records in it, in the order of their declaration. */
    static List<Option> options(Class<?> type) {
        List<Option> options = new ArrayList<>();
        for (RecordComponent component : type.getRecordComponents()) {
            if (component.getType().isRecord()) {
                options.addAll(options(component.getType()));
            } else {
                options.add(new Option(component));
            }
        }
        return options;
    }

    /**
     * Reads and checks a record.
     *
     * @param retired keys of earlier versions that have no effect any more, each with its successor in a sentence
     * @throws ConfigException when a key is unknown or retired, or a value is missing or refused
     */
    static <T> T bind(Class<T> type, Map<String, String> values, Map<String, String> retired) {
        List<Option> options = options(type);
        Map<String, String> current = new TreeMap<>(values);
        for (Option option : options) {
            String old = option.formerly().isEmpty() ? null : current.remove(option.formerly());
            if (old != null) {
                LOG.warn("key {} is now {}; the former name will be removed", option.formerly(), option.key());
                current.putIfAbsent(option.key(), old);
            }
        }
        for (String key : current.keySet()) {
            if (retired.containsKey(key)) {
                throw new ConfigException("key " + key + " is retired; " + retired.get(key));
            }
            if (options.stream().noneMatch(option -> option.matches(key))) {
                throw new ConfigException("unknown key " + key + nearest(key, options));
            }
        }
        return make(type, current);
    }

    private static <T> T make(Class<T> type, Map<String, String> values) {
        RecordComponent[] components = type.getRecordComponents();
        Class<?>[] types =
                Arrays.stream(components).map(RecordComponent::getType).toArray(Class<?>[]::new);
        Object[] arguments = Arrays.stream(components)
                .map(c -> c.getType().isRecord() ? make(c.getType(), values) : new Option(c).read(values))
                .toArray();
        try {
            return type.getDeclaredConstructor(types).newInstance(arguments);
        } catch (InvocationTargetException e) {
            if (e.getCause() instanceof ConfigException refused) {
                throw refused;
            }
            throw new IllegalStateException(e);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(e);
        }
    }

    private static String nearest(String key, List<Option> options) {
        return options.stream()
                .filter(option -> !option.isPrefix())
                .map(Option::key)
                .filter(known -> distance(known, key) <= MAX_EDITS || known.endsWith("." + key))
                .min(Comparator.comparingInt(known -> distance(known, key)))
                .map(known -> "; did you mean " + known + "?")
                .orElse("; conf/rerank.properties lists all keys");
    }

    /** Levenshtein distance. */
    private static int distance(String a, String b) {
        int[] row = new int[b.length() + 1];
        for (int j = 0; j < row.length; j++) {
            row[j] = j;
        }
        for (int i = 1; i <= a.length(); i++) {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j < row.length; j++) {
                int substituted = diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.min(substituted, 1 + Math.min(row[j], row[j - 1]));
            }
        }
        return row[b.length()];
    }
}
