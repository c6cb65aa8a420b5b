package io.lychee.rerank.sql;

import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.SqlConfig;
import io.lychee.rerank.domain.Candidate;
import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.Content;
import io.lychee.rerank.domain.Image;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.UUID;
import org.apache.flink.table.catalog.ResolvedSchema;
import org.apache.flink.table.data.ArrayData;
import org.apache.flink.table.data.MapData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.types.logical.ArrayType;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.LogicalTypeFamily;
import org.apache.flink.table.types.logical.MapType;
import org.apache.flink.table.types.logical.RowType;
import org.jspecify.annotations.Nullable;

/** Reads rows of a model's INPUT to candidate lists; keeps nothing of a row. */
final class ListReader implements Serializable {

    private static final long serialVersionUID = 1;

    private static final String QUERY_TYPE = "STRING, or ROW<text STRING, image STRING or BYTES> with one of the two";
    private static final String CANDIDATES_TYPE = "ARRAY<ROW<id STRING, text STRING, image STRING or BYTES,"
            + " attributes MAP<STRING, STRING>>>, with id and one of text and image";

    private final int queryColumn;
    private final int candidatesColumn;
    private final @Nullable Fields query; // null where the query is a text
    private final Fields candidate;
    private final SqlConfig config;

    /** Positions of the fields of a query or candidate, -1 where there is none. */
    private record Fields(int count, int id, int text, int image, boolean isBytes, int attributes)
            implements Serializable {

        Content content(RowData row) {
            String words =
                    text < 0 || row.isNullAt(text) ? null : row.getString(text).toString();
            if (image < 0 || row.isNullAt(image)) {
                return new Content(words, List.of());
            }
            return new Content(
                    words,
                    List.of(
                            isBytes
                                    ? new Image.Bytes(row.getBinary(image))
                                    : Image.of(row.getString(image).toString())));
        }

        Map<String, String> attributes(RowData row) {
            Map<String, String> read = new HashMap<>();
            if (attributes >= 0 && !row.isNullAt(attributes)) {
                MapData map = row.getMap(attributes);
                ArrayData keys = map.keyArray();
                ArrayData values = map.valueArray();
                for (int i = 0; i < map.size(); i++) {
                    if (!keys.isNullAt(i) && !values.isNullAt(i)) {
                        read.put(
                                keys.getString(i).toString(),
                                values.getString(i).toString());
                    }
                }
            }
            return read;
        }
    }

    /**
     * A list, and the ids of all candidates that came in.
     *
     * @param list the first of them, at most {@code list.max-candidates}
     */
    record Lists(CandidateList list, List<@Nullable String> ids) {}

    private ListReader(
            int queryColumn, int candidatesColumn, @Nullable Fields query, Fields candidate, SqlConfig config) {
        this.queryColumn = queryColumn;
        this.candidatesColumn = candidatesColumn;
        this.query = query;
        this.candidate = candidate;
        this.config = config;
    }

    /** @throws ConfigException when a column is missing, unknown, or of another type */
    static ListReader of(ResolvedSchema input, SqlConfig config) {
        List<String> names = input.getColumnNames();
        if (names.size() != 2 || !names.contains("query") || !names.contains("candidates")) {
            throw new ConfigException("INPUT has the columns " + names + "; expected query " + QUERY_TYPE
                    + "; and candidates " + CANDIDATES_TYPE);
        }
        int queryColumn = names.indexOf("query");
        int candidatesColumn = names.indexOf("candidates");
        LogicalType query = input.getColumnDataTypes().get(queryColumn).getLogicalType();
        LogicalType candidates =
                input.getColumnDataTypes().get(candidatesColumn).getLogicalType();
        Fields fields = isText(query) ? null : fields(query, List.of("text", "image"));
        if (fields == null && !isText(query)) {
            throw refused("query", query, QUERY_TYPE);
        }
        Fields candidate = candidates instanceof ArrayType array
                ? fields(array.getElementType(), List.of("id", "text", "image", "attributes"))
                : null;
        if (candidate == null || candidate.id < 0) {
            throw refused("candidates", candidates, CANDIDATES_TYPE);
        }
        return new ListReader(queryColumn, candidatesColumn, fields, candidate, config);
    }

    /** Finds the fields by their names; null where one is unknown or of another type, or text and image are missing. */
    private static @Nullable Fields fields(LogicalType type, List<String> known) {
        if (!(type instanceof RowType row)) {
            return null;
        }
        List<String> names = row.getFieldNames();
        for (int i = 0; i < names.size(); i++) {
            LogicalType field = row.getTypeAt(i);
            boolean fits = switch (names.get(i)) {
                case "image" -> isText(field) || isBytes(field);
                case "attributes" ->
                    field instanceof MapType map && isText(map.getKeyType()) && isText(map.getValueType());
                default -> isText(field);
            };
            if (!known.contains(names.get(i)) || !fits) {
                return null;
            }
        }
        int image = names.indexOf("image");
        return image < 0 && !names.contains("text")
                ? null
                : new Fields(
                        names.size(),
                        names.indexOf("id"),
                        names.indexOf("text"),
                        image,
                        image >= 0 && isBytes(row.getTypeAt(image)),
                        names.indexOf("attributes"));
    }

    private static boolean isText(LogicalType type) {
        return type.is(LogicalTypeFamily.CHARACTER_STRING);
    }

    private static boolean isBytes(LogicalType type) {
        return type.is(LogicalTypeFamily.BINARY_STRING);
    }

    private static ConfigException refused(String column, LogicalType found, String expected) {
        return new ConfigException(
                "INPUT column " + column + " is " + found.asSummaryString() + "; expected " + expected);
    }

    /** Reads a row; null texts, images and rows are empty ones, and null candidates an empty list. */
    Lists read(RowData row) {
        List<Candidate> candidates = new ArrayList<>();
        List<@Nullable String> ids = new ArrayList<>();
        if (!row.isNullAt(candidatesColumn)) {
            ArrayData array = row.getArray(candidatesColumn);
            for (int i = 0; i < array.size(); i++) {
                RowData one = array.isNullAt(i) ? null : array.getRow(i, candidate.count);
                String id = one == null || one.isNullAt(candidate.id)
                        ? null
                        : one.getString(candidate.id).toString();
                ids.add(id);
                if (i < config.rerank().limits().maxCandidates()) {
                    candidates.add(new Candidate(
                            Objects.requireNonNullElse(id, ""),
                            one == null ? new Content(null, List.of()) : candidate.content(one),
                            null,
                            one == null ? Map.of() : candidate.attributes(one),
                            null));
                }
            }
        }
        return new Lists(
                new CandidateList(
                        UUID.randomUUID().toString(),
                        config.instruction().isBlank() ? null : config.instruction(),
                        Map.of(),
                        query(row),
                        candidates,
                        config.topN() == 0 ? null : config.topN(),
                        null),
                ids);
    }

    private Content query(RowData row) {
        if (row.isNullAt(queryColumn)) {
            return new Content(null, List.of());
        }
        return query == null
                ? new Content(row.getString(queryColumn).toString(), List.of())
                : query.content(row.getRow(queryColumn, query.count));
    }
}
