package io.lychee.rerank.sql;

import java.util.Collection;
import java.util.List;
import java.util.Set;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.table.connector.source.DynamicTableSource;
import org.apache.flink.table.connector.source.VectorSearchTableSource;
import org.apache.flink.table.connector.source.search.VectorSearchFunctionProvider;
import org.apache.flink.table.data.GenericArrayData;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.factories.DynamicTableSourceFactory;
import org.apache.flink.table.functions.VectorSearchFunction;

/** A table with a few products that finds all of them for every vector, because Flink has no such connector. */
public final class Vectors implements VectorSearchTableSource {

    /** Title and picture by id, the one that suits best in the middle. */
    static final List<List<String>> PRODUCTS = List.of(
            List.of("p0", "athletic flower vase in red", ""),
            List.of("p1", "sweet dotted shoe", "file:images/shoe-175.jpg"),
            List.of("p2", "plain black hat for the office", ""));

    @Override
    public VectorSearchRuntimeProvider getSearchRuntimeProvider(VectorSearchContext context) {
        return VectorSearchFunctionProvider.of(new All());
    }

    @Override
    public DynamicTableSource copy() {
        return new Vectors();
    }

    @Override
    public String asSummaryString() {
        return "vectors";
    }

    /** Finds the connector of the test. */
    public static final class Factory implements DynamicTableSourceFactory {

        static final String NAME = "vectors-of-a-test";

        @Override
        public DynamicTableSource createDynamicTableSource(Context context) {
            return new Vectors();
        }

        @Override
        public String factoryIdentifier() {
            return NAME;
        }

        @Override
        public Set<ConfigOption<?>> requiredOptions() {
            return Set.of();
        }

        @Override
        public Set<ConfigOption<?>> optionalOptions() {
            return Set.of();
        }
    }

    /** Gives columns of the table, then the score of the search. */
    public static final class All extends VectorSearchFunction {

        private static final long serialVersionUID = 1;

        @Override
        public Collection<RowData> vectorSearch(int topK, RowData query) {
            return PRODUCTS.stream()
                    .map(product -> (RowData) GenericRowData.of(
                            StringData.fromString(product.get(0)),
                            StringData.fromString(product.get(1)),
                            product.get(2).isEmpty() ? null : StringData.fromString(product.get(2)),
                            new GenericArrayData(new float[] {1, 0}),
                            1.0))
                    .toList();
        }
    }
}
