import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.Statement;
import java.util.Properties;
import java.util.Scanner;

/** Keeps one JDBC connection open, and answers the query of each line that it is sent. */
class Live {
    public static void main(String[] arguments) throws Exception {
        Properties readOnly = new Properties();
        readOnly.setProperty("duckdb.read_only", "true");
        try (Connection connection = DriverManager.getConnection("jdbc:duckdb:" + arguments[0], readOnly);
                Statement statement = connection.createStatement();
                Scanner lines = new Scanner(System.in)) {
            while (lines.hasNextLine()) {
                try (ResultSet found = statement.executeQuery(lines.nextLine())) {
                    found.next();
                    System.out.println(found.getString(1));
                }
            }
        }
    }
}
