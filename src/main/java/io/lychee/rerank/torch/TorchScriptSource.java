package io.lychee.rerank.torch;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * Turns ordinary PyTorch source into what TorchScript's importer takes: own classes and functions by their full name,
 * functional and dtype names as it knows them, no imports. Line numbers stay, so errors point into the resource.
 */
public final class TorchScriptSource {

    private static final Pattern IMPORT = Pattern.compile("(?m)^(?:import|from) .*$");
    private static final Pattern FUNCTIONAL = Pattern.compile("\\bF\\.(?=\\w)");
    private static final Pattern DTYPE =
            Pattern.compile("\\btorch\\.(uint8|int32|int64|float16|float32|float64|bool|bfloat16)\\b");
    private static final Pattern DEVICE_TYPE = Pattern.compile("\\btorch\\.device\\b(?!\\()");
    private static final Pattern DEFINITION = Pattern.compile("(?m)^(?:class|def) (\\w+)");
    /** c10::ScalarType; the importer knows no dtype names. */
    private static final Map<String, Integer> SCALAR_TYPES = Map.of(
            "uint8", 0, "int32", 3, "int64", 4, "float16", 5, "float32", 6, "float64", 7, "bool", 11, "bfloat16", 15);

    private TorchScriptSource() {}

    /** The number that TorchScript knows a dtype by. */
    public static int scalarType(String dtype) {
        return Objects.requireNonNull(SCALAR_TYPES.get(dtype), dtype);
    }

    /**
     * @param modules source by module name
     * @return the same modules; what module {@code m} defines as {@code X} is {@code __torch__.m.X} everywhere
     */
    public static Map<String, String> translate(Map<String, String> modules) {
        Map<String, String> fullNames = new LinkedHashMap<>();
        modules.forEach((module, source) -> DEFINITION
                .matcher(source)
                .results()
                .forEach(found -> fullNames.put(found.group(1), "__torch__." + module + "." + found.group(1))));
        Pattern ownName = Pattern.compile(
                "(?<![\\w.])(?<!^class |^def )(?:"
                        + fullNames.keySet().stream().map(Pattern::quote).collect(Collectors.joining("|"))
                        + ")\\b(?! ?=[^=])",
                Pattern.MULTILINE);
        Map<String, String> translated = new LinkedHashMap<>();
        modules.forEach((module, source) -> {
            String text = IMPORT.matcher(source).replaceAll("");
            text = FUNCTIONAL.matcher(text).replaceAll("torch.");
            text = DTYPE.matcher(text).replaceAll(found -> String.valueOf(scalarType(found.group(1))));
            text = DEVICE_TYPE.matcher(text).replaceAll("Device");
            text = text.replace("torch.cuda.Event", "__torch__.torch.classes.cuda.Event");
            text = text.replace("torch.cuda.current_stream", "ops.cuda.current_stream");
            if (!fullNames.isEmpty()) {
                text = ownName.matcher(text)
                        .replaceAll(found ->
                                Matcher.quoteReplacement(Objects.requireNonNull(fullNames.get(found.group()))));
            }
            translated.put(module, text);
        });
        return translated;
    }
}
