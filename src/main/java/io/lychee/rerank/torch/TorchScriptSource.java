package io.lychee.rerank.torch;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * Translates ordinary PyTorch source for TorchScript's importer: qualifies own names, maps functional and dtype names,
 * blanks imports. Line numbers stay, so errors point into the resource.
 */
public final class TorchScriptSource {

    private static final Pattern IMPORT = Pattern.compile("(?m)^(?:import|from) .*$");
    private static final Pattern FUNCTIONAL = Pattern.compile("\\bF\\.(?=\\w)");
    private static final Pattern DTYPE =
            Pattern.compile("\\btorch\\.(uint8|int32|int64|float16|float32|float64|bool|bfloat16|float8_e4m3fn)\\b");
    private static final Pattern DEVICE_TYPE = Pattern.compile("\\btorch\\.device\\b(?!\\()");
    private static final Pattern OPERATOR =
            Pattern.compile("\\btorch\\.ops\\." + TorchOperators.NAMESPACE + "\\.(\\w+)\\(");
    private static final Pattern DEFINITION = Pattern.compile("(?m)^(?:class|def) (\\w+)");
    /** c10::ScalarType by name; the importer has no dtype names. */
    private static final Map<String, Integer> SCALAR_TYPES = Map.of(
            "uint8",
            0,
            "int32",
            3,
            "int64",
            4,
            "float16",
            5,
            "float32",
            6,
            "float64",
            7,
            "bool",
            11,
            "bfloat16",
            15,
            "float8_e4m3fn",
            24);

    private TorchScriptSource() {}

    /** Returns TorchScript's number of a dtype. */
    public static int scalarType(String dtype) {
        return Objects.requireNonNull(SCALAR_TYPES.get(dtype), dtype);
    }

    /**
     * Reads modules from {@code src/main/resources/torchscript}, each named after its file.
     *
     * @param paths without extension, such as {@code shared/attention}
     * @return source by module name, in this order
     */
    public static Map<String, String> read(List<String> paths) {
        Map<String, String> modules = new LinkedHashMap<>();
        for (String path : paths) {
            String resource = "/torchscript/" + path + ".py";
            try (InputStream in = TorchScriptSource.class.getResourceAsStream(resource)) {
                if (in == null) {
                    throw new IllegalStateException("no resource " + resource);
                }
                modules.put(
                        path.substring(path.lastIndexOf('/') + 1),
                        new String(in.readAllBytes(), StandardCharsets.UTF_8));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
        return modules;
    }

    /**
     * Qualifies names across modules: {@code X} of module {@code m} becomes {@code __torch__.m.X} everywhere.
     *
     * @param modules source by module name
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
            text = operators(text);
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

    /** Names own operators as the importer does; a call of one that isn't registered becomes a failed assertion. */
    private static String operators(String text) {
        return OPERATOR.matcher(text)
                .replaceAll(found -> TorchOperators.isDefined(found.group(1))
                        ? "ops." + TorchOperators.NAMESPACE + "." + found.group(1) + "("
                        : "assert False, (");
    }
}
