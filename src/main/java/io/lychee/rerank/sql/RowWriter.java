package io.lychee.rerank.sql;

import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.config.SqlConfig;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import org.apache.flink.table.catalog.Column;
import org.apache.flink.table.catalog.ResolvedSchema;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.jspecify.annotations.Nullable;

/** Writes what became of a list's candidates as rows of a model's OUTPUT. */
final class RowWriter implements Serializable {

    private static final long serialVersionUID = 1;

    /** Why candidates behind {@code list.max-candidates} are rejected. */
    static final String TOO_MANY = "TOO_MANY_CANDIDATES";

    private final List<Field> fields;
    private final boolean rejectedRows;

    /** Columns that OUTPUT may have, in any order. */
    private enum Field {
        ID("STRING"),
        RANK("INT"),
        RETRIEVAL_RANK("INT"),
        SCORE("DOUBLE"),
        REASON("STRING");

        private final String type;

        Field(String type) {
            this.type = type;
        }

        @Nullable
        Object value(@Nullable String id, Reranker.Ranked ranked) {
            return switch (this) {
                case ID -> StringData.fromString(id);
                case RANK -> ranked.rank();
                case RETRIEVAL_RANK -> ranked.position() + 1;
                case SCORE -> ranked.score();
                case REASON -> StringData.fromString(ranked.reason());
            };
        }

        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT) + " " + type;
        }
    }

    private RowWriter(List<Field> fields, boolean rejectedRows) {
        this.fields = fields;
        this.rejectedRows = rejectedRows;
    }

    /** @throws ConfigException when a column is unknown or of another type, or a reason is needed and missing */
    static RowWriter of(ResolvedSchema output, SqlConfig config) {
        List<Field> fields = new ArrayList<>();
        for (Column column : output.getColumns()) {
            String found = column.getName() + " "
                    + column.getDataType().getLogicalType().asSummaryString();
            fields.add(Arrays.stream(Field.values())
                    .filter(field -> field.toString().equals(found))
                    .findFirst()
                    .orElseThrow(() ->
                            new ConfigException("OUTPUT has the column " + found + "; expected some of " + all())));
        }
        if (config.rejectedRows() && !fields.contains(Field.REASON)) {
            throw new ConfigException(
                    "rejected-rows is true, and OUTPUT has no column reason; expected " + Field.REASON);
        }
        return new RowWriter(fields, config.rejectedRows());
    }

    private static String all() {
        return Arrays.stream(Field.values()).map(Field::toString).collect(Collectors.joining(", "));
    }

    Collection<RowData> write(ListReader.Lists read, List<Reranker.Ranked> ranked) {
        List<RowData> rows = new ArrayList<>();
        for (Reranker.Ranked one : ranked) {
            if (one.rank() != null || rejectedRows) {
                rows.add(row(read, one));
            }
        }
        for (int i = read.list().candidates().size(); i < read.ids().size() && rejectedRows; i++) {
            rows.add(row(read, new Reranker.Ranked(i, null, null, TOO_MANY)));
        }
        return rows;
    }

    private RowData row(ListReader.Lists read, Reranker.Ranked one) {
        return GenericRowData.of(fields.stream()
                .map(field -> field.value(read.ids().get(one.position()), one))
                .toArray());
    }
}
